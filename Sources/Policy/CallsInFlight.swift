/// How many calls are under way.
struct CallsInFlight: LimitWindow {
    struct Rule: LimitRule {
        let capacity: UInt64
    }

    private var count: UInt64 = 0

    static var isHeld: Bool { true }

    static func worstCaseBytes(_ rule: Rule) -> Int { 0 }

    init() {}

    func wait(at now: UInt64, calls: UInt64, _ rule: Rule) -> UInt64 {
        calls <= rule.capacity && count <= rule.capacity &- calls ? 0 : LimitWait.unknown
    }

    mutating func charge(at now: UInt64, calls: UInt64, _ rule: Rule) -> WindowTouch {
        count &+= calls
        return .pin
    }

    mutating func release(calls: UInt64) -> WindowTouch {
        count = count > calls ? count &- calls : 0
        return count == 0 ? .renew : .pin
    }

    func isExpired(at now: UInt64, _ rule: Rule) -> Bool { count == 0 }

    mutating func reset() { count = 0 }

    var heapBytes: Int { 0 }
}
