internal import CLinux

/// The liveness of the processes that share limits, this one among them.
///
/// A process has a place from 0 and the place's generation, a number that rises with each process that takes it. It
/// holds the lock of one byte of the shared file (an open file description lock), which ends with the process however
/// it ends. The lock names no process id, which another pid namespace would not know and a later process could have,
/// and its holder is found by one system call.
@safe struct LimitProcesses: ~Copyable, Sendable {
    /// The most processes that share limits at a time.
    static let capacity = 16

    /// The place of this process.
    let place: Int
    /// The number of times that the place has been taken.
    let generation: UInt64
    private let words: SharedWords
    /// This process's own opening of the file; −1 when the memory is not shared.
    private let life: Int32

    /// Takes a place among the processes that share a memory.
    ///
    /// It is `nil` if the places are taken, or if locks of files are not available.
    ///
    /// - Parameter memory: The memory that all of them share; it must outlive this.
    init?(_ memory: borrowing SharedMemory) {
        words = memory.words
        guard memory.isShareable else {
            (place, generation, life) = (0, 1, -1)
            words[LimitLayout.generations] = 1
            return
        }
        let life = weir_open_again(memory.descriptor)
        guard life >= 0 else { return nil }
        guard let place = (0..<Self.capacity).first(where: { weir_claim_byte(life, $0) == 0 }) else {
            _ = weir_close(life)
            return nil
        }
        self.life = life
        self.place = place
        generation = max(1, (words[LimitLayout.generations + place] &+ 1) & (1 << 56 - 1))
        words.commit(LimitLayout.generations + place, generation)
    }

    deinit {
        if life >= 0 { _ = weir_close(life) }
    }

    /// The number of this process in the word of a lock; never 0.
    var id: UInt64 { Self.id(place, generation) }

    private static func id(_ place: Int, _ generation: UInt64) -> UInt64 { generation << 8 | UInt64(place + 1) }

    /// True if a process lives; false for numbers of no process.
    ///
    /// - Parameter id: Its ``id``, or any number.
    /// - Returns: True if such a process holds its place.
    func lives(_ id: UInt64) -> Bool { lives(Int(id & 0xff) - 1, id >> 8) }

    /// True if the process that took a place for the `generation`-th time lives.
    func lives(_ place: Int, _ generation: UInt64) -> Bool {
        guard 0..<Self.capacity ~= place, generation != 0 else { return false }
        if place == self.place { return generation == self.generation }
        guard life >= 0, words[LimitLayout.generations + place] == generation else { return false }
        // Where it cannot be said the process is taken to live.
        return weir_is_byte_claimed(life, place) != 0
    }
}
