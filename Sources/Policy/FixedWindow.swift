/// A window that begins with the first call after the one before has ended.
struct FixedWindow: LimitWindow {
    struct Rule: LimitRule {
        let capacity: UInt64
        /// Nanoseconds.
        let length: UInt64
    }

    private var start: UInt64 = 0
    private var used: UInt64 = 0

    static func worstCaseBytes(_ rule: Rule) -> Int { 0 }

    init() {}

    func wait(at now: UInt64, calls: UInt64, _ rule: Rule) -> UInt64 {
        guard calls <= rule.capacity else { return LimitWait.unknown }
        if isExpired(at: now, rule) || used &+ calls <= rule.capacity { return 0 }
        return start &+ rule.length &- now
    }

    mutating func charge(at now: UInt64, calls: UInt64, _ rule: Rule) -> WindowTouch {
        guard isExpired(at: now, rule) else {
            used &+= calls
            return .keep
        }
        start = now
        used = calls
        return .renew
    }

    func isExpired(at now: UInt64, _ rule: Rule) -> Bool { used == 0 || now &- start >= rule.length }

    mutating func reset() { used = 0 }

    var heapBytes: Int { 0 }
}
