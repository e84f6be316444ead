/// The windows of one limit: one, or one a value of its key and one that further values share.
struct WindowTable<Window: LimitWindow>: Sendable {
    /// The window that a limit without keys has, and that values share which have none of their own.
    static var shared: Int { 0 }

    /// Where a call belongs.
    enum Place {
        /// A window that is there.
        case known(Int)
        /// A new window in the place of one that has expired.
        case reused(Int)
        /// A new window.
        case appended
    }

    private let rule: Window.Rule
    private let maxKeys: Int
    private var windows: [Window] = [Window()]
    private var index = KeyIndex()
    /// The latest time that was seen.
    private var latest: UInt64 = 0

    init(_ rule: Window.Rule, maxKeys: Int) {
        self.rule = rule
        self.maxKeys = maxKeys
    }

    /// The most memory it takes.
    static func worstCaseBytes(_ rule: Window.Rule, maxKeys: Int) -> Int {
        let index = KeyIndex.worstCaseBytes(maxKeys: maxKeys)
        let window = MemoryLayout<Window>.stride + Window.worstCaseBytes(rule)
        return arrayHeaderBytes + index + window * (maxKeys + 1)
    }

    /// The memory in use.
    var heapBytes: Int {
        windows.reduce(arrayHeaderBytes + index.heapBytes) { $0 + MemoryLayout<Window>.stride + $1.heapBytes }
    }

    /// How many values have a window of their own.
    var keysInUse: Int { index.count }

    /// The time to decide by: never before one that was decided by.
    mutating func advance(to time: UInt64) -> UInt64 {
        if time > latest { latest = time }
        return latest
    }

    /// Where a call belongs.
    ///
    /// An expired window is used again before a new one is made, so that memory follows the values that are in use.
    func place(of digest: KeyDigest?, at now: UInt64) -> Place {
        guard let digest else { return .known(Self.shared) }
        let known = index.window(of: digest)
        if known != 0 { return .known(known) }
        let oldest = index.oldest
        if oldest != 0, windows[oldest].isExpired(at: now, rule) { return .reused(oldest) }
        return index.count < maxKeys ? .appended : .known(Self.shared)
    }

    /// How long until the calls can pass, see ``LimitWindow/wait(at:calls:_:)``.
    mutating func wait(in place: Place, at now: UInt64, calls: UInt64) -> UInt64 {
        guard case .known(let window) = place else { return calls <= rule.capacity ? 0 : LimitWait.unknown }
        return windows[window].wait(at: now, calls: calls, rule)
    }

    /// Charges calls that can pass.
    ///
    /// - Returns: The window that was charged.
    mutating func charge(in place: Place, of digest: KeyDigest?, at now: UInt64, calls: UInt64) -> Int {
        let window: Int
        switch place {
        case .known(let known): window = known
        case .reused(let expired):
            window = expired
            windows[expired].reset()
            if let digest { index.replace(expired, with: digest) }
        case .appended:
            guard let digest else { return Self.shared }
            window = index.append(digest, maxKeys: maxKeys)
            if windows.count == windows.capacity { windows.reserveCapacity(min(windows.count * 2, maxKeys + 1)) }
            windows.append(Window())
        }
        let touch = windows[window].charge(at: now, calls: calls, rule)
        if window != Self.shared { index.touch(window, touch) }
        return window
    }

    /// Gives back what calls took of a window.
    mutating func release(_ window: Int, calls: UInt64) {
        guard windows.indices.contains(window) else { return }
        let touch = windows[window].release(calls: calls)
        if window != Self.shared { index.touch(window, touch) }
    }
}
