internal import Inspection
internal import Wire

/// Bytes that wait to be written, taken from the front.
struct ByteQueue {
    private var storage: [UInt8] = []
    private var start = 0

    var count: Int { storage.count - start }
    var isEmpty: Bool { storage.count == start }

    mutating func append(_ bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes {
            // SAFETY: the pointer is used inside the closure only.
            unsafe storage.append(contentsOf: $0)
        }
    }

    mutating func append(_ bytes: some Collection<UInt8>) { storage.append(contentsOf: bytes) }

    /// Writes as much as the kernel takes: what it said last, 0 or more for success.
    mutating func write(to descriptor: Int32) -> Int {
        guard !isEmpty else { return 0 }
        let written = Linux.write(descriptor, unsafe storage.span.bytes.extracting(start..<storage.count))
        if written > 0 { drop(written) }
        return written
    }

    /// An empty queue owns no memory: an idle connection must not.
    mutating func removeAll() {
        storage = []
        start = 0
    }

    private mutating func drop(_ count: Int) {
        start += count
        if start == storage.count {
            removeAll()
        } else if start >= 1 << 20 {
            storage.removeFirst(start)
            start = 0
        }
    }
}

/// One direction of a connection pair: from the socket that is read to the one that is written.
struct Pipe {
    /// What an earlier plan decided about bytes that had not arrived.
    enum Reach: Equatable {
        case none
        case forward(Int)
        case drop(Int)
    }

    /// What is to be written.
    var queue = ByteQueue()
    /// What the session has not decided about.
    var held: [UInt8] = []
    var reach = Reach.none
    /// Replies of Weir's own that wait for a boundary.
    var replies: [UInt8] = []
    /// Whether what was written so far ends with a message.
    var isAtBoundary = true
    /// The source has said its last.
    var isSourceEnded = false
    /// That has been passed on to the sink.
    var isSinkShut = false
    /// The sink takes no more bytes.
    var isSinkBroken = false
    /// Bytes passed on.
    var forwardedBytes: UInt64 = 0

    /// Whether the source may be read.
    var wantsBytes: Bool { !isSourceEnded && !isSinkBroken && queue.isEmpty }
    /// Whether nothing more will pass.
    var isFinished: Bool { isSinkShut || isSinkBroken }
}

extension Pipe {
    /// The most bytes a session may hold back in one direction.
    static let maxHeldBytes = 65_536
    /// The most replies that may wait for a boundary.
    static let maxReplyBytes = 262_144

    /// Carries out a plan over what is held and what arrived; what is to be written is in the queue afterwards.
    ///
    /// - Returns: Whether the session kept within what it may hold; if not, everything held was passed on.
    mutating func carryOut(_ plan: borrowing Plan, _ new: RawSpan) -> Bool {
        let arrived = new.extracting(reach(into: new)..<new.byteCount)
        if plan.forwardsAll {
            emitHeld()
            if arrived.byteCount > 0 { queue.append(arrived) }
            isAtBoundary = plan.endsAtBoundary
            if isAtBoundary { emitReplies() }
            return true
        }
        held.append(contentsOf: arrived.array)
        let taken = apply(plan)
        if taken == held.count { held = [] } else if taken > 0 { held.removeFirst(taken) }
        guard held.count <= Self.maxHeldBytes else {
            emitHeld()
            isAtBoundary = false
            return false
        }
        return true
    }

    private mutating func emitHeld() {
        guard !held.isEmpty else { return }
        queue.append(held)
        held = []
    }

    /// Applies the edits to the held bytes and says how many of them they cover.
    private mutating func apply(_ plan: borrowing Plan) -> Int {
        var at = 0
        for edit in plan.edits {
            let left = held.count - at
            switch edit {
            case .forward(let count):
                let here = min(count, left)
                if here > 0 { queue.append(held[at..<at + here]) }
                at += here
                if count > left { reach = .forward(count - left) }
                isAtBoundary = false
            case .drop(let count):
                at += min(count, left)
                if count > left { reach = .drop(count - left) }
            case .replace(let count, with: let range):
                at += min(count, left)
                if !range.isEmpty { queue.append(plan.content[range.indices]) }
                isAtBoundary = false
            case .boundary:
                isAtBoundary = true
                emitReplies()
            }
        }
        return at
    }

    /// Gives arriving bytes to what an earlier plan reached for, and says how many.
    private mutating func reach(into arrived: RawSpan) -> Int {
        let count: Int
        switch reach {
        case .none: return 0
        case .forward(let wanted):
            count = min(wanted, arrived.byteCount)
            if count > 0 { queue.append(arrived.extracting(0..<count)) }
            reach = count == wanted ? .none : .forward(wanted - count)
        case .drop(let wanted):
            count = min(wanted, arrived.byteCount)
            reach = count == wanted ? .none : .drop(wanted - count)
        }
        return count
    }

    /// Queues replies and writes them if a message has just ended.
    mutating func addReplies(_ bytes: [UInt8]) {
        replies.append(contentsOf: bytes)
        if isAtBoundary { emitReplies() }
    }

    mutating func emitReplies() {
        guard !replies.isEmpty else { return }
        queue.append(replies)
        replies = []
    }
}
