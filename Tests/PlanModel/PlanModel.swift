package import Inspection
internal import Wire

/// What plans mean, taken step by step: the reference for the relay's execution of them.
package struct PlanModel: Sendable {
    /// One step over the sequence of bytes.
    private enum Step: Equatable, Sendable {
        case forward(Int)
        case drop(Int)
        case insert([UInt8])
        case boundary
    }

    package static let maxHeldBytes = 65_536

    /// What goes to the sink.
    package private(set) var output: [UInt8] = []
    /// What of the output are replies.
    package private(set) var replyBytes = 0
    private var waiting: [UInt8] = []
    private var steps: [Step] = []
    private var replies: [UInt8] = []
    private var isAtBoundary = true

    package init() {}

    /// How many bytes wait for a decision.
    package var heldBytes: Int { waiting.count }

    /// How many bytes that have not arrived are to be passed on whatever they are; 0 in protocols whose sessions decide
    /// about what is there only.
    package var aheadBytes: Int {
        steps.reduce(0) { sum, step in if case .forward(let count) = step { sum + count } else { sum } }
    }

    /// Whether replies wait for the end of a message.
    package var hasWaitingReplies: Bool { !replies.isEmpty }

    /// Carries out a plan over what is here and what arrived; whether the bound of held bytes was kept.
    package mutating func take(_ new: [UInt8], _ plan: Plan) -> Bool {
        waiting += new
        if plan.forwardsAll {
            run()
            emit(waiting)
            waiting = []
            isAtBoundary = plan.endsAtBoundary
            if isAtBoundary { emitReplies() }
            return true
        }
        for edit in plan.edits { add(edit, plan.content) }
        run()
        guard waiting.count > Self.maxHeldBytes else { return true }
        emit(waiting)
        waiting = []
        return false
    }

    private mutating func add(_ edit: Plan.Edit, _ content: [UInt8]) {
        switch edit {
        case .forward(let count): steps.append(.forward(count))
        case .drop(let count): steps.append(.drop(count))
        case .replace(let count, with: let range):
            steps.append(.insert(Array(content[range.indices])))
            steps.append(.drop(count))
        case .boundary: steps.append(.boundary)
        }
    }

    private mutating func run() {
        var done = 0
        var at = 0
        steps: for step in steps {
            switch step {
            case .forward(let count):
                let here = min(count, waiting.count - at)
                emit(Array(waiting[at..<at + here]))
                at += here
                guard here == count else {
                    steps[done] = .forward(count - here)
                    break steps
                }
            case .drop(let count):
                let here = min(count, waiting.count - at)
                at += here
                guard here == count else {
                    steps[done] = .drop(count - here)
                    break steps
                }
            case .insert(let bytes): emit(bytes)
            case .boundary:
                isAtBoundary = true
                emitReplies()
            }
            done += 1
        }
        steps.removeFirst(done)
        waiting.removeFirst(at)
    }

    private mutating func emit(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        output += bytes
        isAtBoundary = false
    }

    /// Replies of the session for this direction's sink.
    package mutating func addReplies(_ bytes: [UInt8]) {
        replies += bytes
        if isAtBoundary { emitReplies() }
    }

    private mutating func emitReplies() {
        output += replies
        replyBytes += replies.count
        replies = []
    }
}
