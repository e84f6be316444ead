internal import Synchronization

/// What processes share of all limits together: which of them live, and how the limits of each name have decided.
///
/// It stays the same over all sets of limits of a process and goes on in the process that takes over from it.
final class LimitSharing: Sendable {
    /// How many names' counters are shared; those of further names are this process's own.
    static let maxCounters = 1024
    /// A row of counters: a name and its length, then the counters.
    static let rowWords = 16

    let memory: SharedMemory
    let processes: LimitProcesses
    private let lock: RobustLock

    /// What nobody else has.
    ///
    /// It is `nil` when there is no memory at all; if it cannot be shared it is this process's own.
    convenience init?() {
        let bytes = (LimitLayout.tables + Self.maxCounters * Self.rowWords) * 8
        if let memory = SharedMemory("weir-limits", byteCount: bytes), let made = Self.begin(memory) {
            self.init(memory, made)
            return
        }
        guard let memory = SharedMemory("weir-limits", byteCount: bytes, isShareable: false),
            let made = Self.begin(memory)
        else { return nil }
        self.init(memory, made)
    }

    /// What another process has.
    ///
    /// It is `nil` when it is laid out otherwise, or ``LimitProcesses/capacity`` processes share it.
    ///
    /// - Parameter memory: The memory of its ``LimitSharing``.
    convenience init?(adopting memory: SharedMemory) {
        guard LimitLayout.fits(memory, magic: LimitLayout.sharingMagic),
            memory.byteCount >= (LimitLayout.tables + Self.maxCounters * Self.rowWords) * 8,
            let processes = LimitProcesses(memory)
        else { return nil }
        self.init(memory, processes)
    }

    private init(_ memory: SharedMemory, _ processes: consuming LimitProcesses) {
        self.memory = memory
        lock = RobustLock(memory.words, me: processes.id)
        self.processes = processes
    }

    private static func begin(_ memory: SharedMemory) -> LimitProcesses? {
        LimitLayout.begin(memory, magic: LimitLayout.sharingMagic)
        return LimitProcesses(memory)
    }

    /// Whether another process can go on with it.
    var isShareable: Bool { memory.isShareable }

    /// What tells it from any other.
    var identity: UInt64 { memory.words[LimitLayout.identity] }

    /// The counters of a name, which all processes add to; when there are too many names, this process alone.
    ///
    /// - Returns: `nil` when there are too many and no memory.
    func counters(of name: String) -> LimitCounters? {
        if !lock.attempt() { _ = lock.wait(processes) }
        // A name is there once its length is, which is written last: there is nothing to mend.
        defer { _ = lock.giveBack() }
        let words = memory.words
        for row in 0..<Self.maxCounters {
            let place = LimitLayout.tables + row * Self.rowWords
            let known = LimitLayout.name(in: words, at: place)
            if known == name { return LimitCounters(memory, at: place + 9) }
            guard words[place + 8] == 0 else { continue }
            LimitLayout.write(name, to: words, at: place)
            return LimitCounters(memory, at: place + 9)
        }
        return LimitCounters()
    }
}
