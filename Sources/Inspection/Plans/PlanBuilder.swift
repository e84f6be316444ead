internal import Wire

/// Where a plan has come to in the bytes of a read: offsets into the read, below 0 for bytes held back before it.
struct PlanBuilder {
    /// Up to where it is decided.
    var at: Int
    /// True if the plan says what becomes of each byte; otherwise everything is forwarded.
    var isEdited = false
    /// The first place where messages of Weir's own may be put in; `nil` if there is none.
    var boundary: Int?

    init(at: Int, isEdited: Bool = false) {
        self.at = at
        self.isEdited = isEdited
    }

    /// Passes on what lies before `end`.
    mutating func forward(to end: Int, _ plan: inout Plan) {
        guard end > at else { return }
        plan.forward(end - at)
        at = end
    }

    /// Leaves out what lies before `end`.
    mutating func drop(to end: Int, _ plan: inout Plan) {
        guard end > at else { return }
        plan.drop(end - at)
        at = end
    }

    /// Writes `bytes` in the place of what lies before `end`, all of which is here.
    mutating func replace(to end: Int, with bytes: [UInt8], _ plan: inout Plan) {
        plan.replace(max(0, end - at), with: bytes)
        at = max(at, end)
    }
}
