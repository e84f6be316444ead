/// The windows of one limit: one, or one for each key value and one that further values share.
///
/// It is a view of their memory: first the index, then the windows, the shared one in front.
struct WindowTable<Window: LimitWindow>: BitwiseCopyable, Sendable {
    /// The window that a limit without keys has, and that values share which have none of their own.
    static var shared: Int { 0 }
    /// The most by which a stored time may be later than the caller's clock (the caller may have waited for locks), in
    /// nanoseconds; a later one was not written by a clock.
    static var maxLead: UInt64 { 60_000_000_000 }

    /// The place of a call.
    enum Place {
        /// A window that is there.
        case known(Int)
        /// A new window in the place of one that has expired.
        case reused(Int)
        /// A new window.
        case appended
    }

    private let rule: Window.Rule
    private let index: KeyIndex

    private var words: SharedWords { index.words }
    private var maxKeys: Int { index.maxKeys }

    /// The windows after an index.
    @inline(__always)
    init(_ index: KeyIndex, _ rule: Window.Rule) {
        self.rule = rule
        self.index = index
    }

    /// The number of words of the memory.
    static func wordCount(_ rule: Window.Rule, maxKeys: Int) -> Int {
        LimitLayout.tables + KeyIndex.wordCount(maxKeys: maxKeys) + Window.wordCount(rule) * (maxKeys + 1)
    }

    @inline(__always)
    private func window(_ number: Int) -> Window {
        Window(words, at: index.end &+ number &* Window.wordCount(rule))
    }

    /// The time to decide by: never before one that was decided by.
    @inline(__always)
    func advance(to time: UInt64) -> UInt64 {
        let latest = words[LimitLayout.latest]
        if time < latest, latest &- time < Self.maxLead { return latest }
        words[LimitLayout.latest] = time
        return time
    }

    /// The place of a call.
    ///
    /// An expired window is used again before a new one is made, so that memory follows the values that are in use.
    @inline(__always)
    func place(of digest: KeyDigest?, at now: UInt64) -> Place {
        guard let digest else { return .known(Self.shared) }
        return place(ofKey: digest, at: now)
    }

    private func place(ofKey digest: KeyDigest, at now: UInt64) -> Place {
        guard let known = index.window(of: digest) else {
            repair(endedHolders: 0)
            return .known(index.window(of: digest) ?? Self.shared)
        }
        if known != 0 { return .known(known) }
        let oldest = index.oldest
        if oldest != 0, window(oldest).isExpired(at: now, rule) { return .reused(oldest) }
        return index.count < maxKeys ? .appended : .known(Self.shared)
    }

    /// The time until the calls can pass, see ``LimitWindow/wait(at:calls:_:)``.
    @inline(__always)
    func wait(in place: Place, at now: UInt64, calls: UInt64) -> UInt64 {
        guard case .known(let number) = place else { return calls <= rule.capacity ? 0 : LimitWait.unknown }
        return window(number).wait(at: now, calls: calls, rule)
    }

    /// Charges calls that can pass to a process.
    ///
    /// - Returns: The window that was charged.
    @inline(__always)
    func charge(in place: Place, of digest: KeyDigest?, at now: UInt64, calls: UInt64, _ holder: Int) -> Int {
        let number: Int
        switch place {
        case .known(let known): number = known
        case .reused, .appended:
            guard let digest else { return Self.shared }
            number = begin(place, digest)
        }
        let touch = window(number).charge(at: now, calls: calls, of: holder, rule)
        if number != Self.shared { index.touch(number, touch) }
        return number
    }

    /// Gives a key a new window.
    private func begin(_ place: Place, _ digest: KeyDigest) -> Int {
        guard case .reused(let expired) = place else {
            window(index.count &+ 1).reset(rule)
            return index.append(digest)
        }
        window(expired).reset(rule)
        if !index.replace(expired, with: digest) { repair(endedHolders: 0) }
        return expired
    }

    /// Releases the share of a process's calls in a window.
    func release(_ number: Int, calls: UInt64, _ holder: Int) {
        guard 0...maxKeys ~= number else { return }
        let touch = window(number).release(calls: calls, of: holder)
        if number != Self.shared { index.touch(number, touch) }
    }

    /// Repairs a change that a process left unfinished when it ended, or other damage.
    ///
    /// It takes some time for each key and memory for their order.
    func repair(endedHolders: UInt64) {
        var order: [(time: UInt64, number: Int)] = []
        for number in 0...index.count {
            window(number).repair(rule, endedHolders: endedHolders)
            if number != Self.shared, let time = window(number).lastCall { order.append((time, number)) }
        }
        guard maxKeys > 0 else { return }
        order.sort { $0.time < $1.time }
        index.rebuild(inOrder: order.map(\.number))
    }
}
