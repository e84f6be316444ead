internal import Synchronization

/// The part of all limits that processes share: the living processes, and the decisions of the limits of each name.
///
/// It stays the same over all sets of limits of a process and continues in the process that takes over from it.
final class LimitSharing: Sendable {
    /// The most names with shared counters; those of further names are this process's own.
    static let maxCounters = 1024
    /// A row of counters: a name and its length, then the counters.
    static let rowWords = 16

    let memory: SharedMemory
    let processes: LimitProcesses
    private let lock: RobustLock

    /// A new one, shared with no process.
    ///
    /// It is `nil` if there is no memory at all; memory that cannot be shared is this process's own.
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

    /// The sharing of another process.
    ///
    /// It is `nil` if it has another layout, or if ``LimitProcesses/capacity`` processes share it.
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

    /// True if another process can continue with it.
    var isShareable: Bool { memory.isShareable }

    /// The identity of its memory.
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
