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

    /// The bytes of memory that the queue takes.
    var memoryBytes: Int { storage.count }

    /// Writes as much as the kernel takes: what it said last, 0 or more for success.
    mutating func write(to descriptor: Int32) -> Int {
        guard !isEmpty else { return 0 }
        let written = Linux.write(descriptor, storage.byteSpan.extracting(start..<storage.count))
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
        } else if start >= 16_384, start >= storage.count - start {
            // A copy, since a slow reader's rest must keep no more memory than it needs.
            storage = Array(storage[start...])
            start = 0
        }
    }
}

/// One direction of a connection pair: from the socket that is read to the one that is written.
struct Pipe {
    /// A step of an earlier plan that waits for bytes to arrive.
    enum Reach: Equatable {
        case forward(Int)
        case drop(Int)
        case insert([UInt8])
        case boundary
    }

    /// Bytes to be written.
    var queue = ByteQueue()
    /// Bytes that the session has not decided about.
    var held: [UInt8] = []
    /// Decisions about bytes that had not arrived, in order; `held` is empty meanwhile.
    var reach: [Reach] = []
    /// Replies of Weir's own that wait for a boundary.
    var replies: [UInt8] = []
    /// The number of bytes of replies went into the queue since it was last empty.
    private var queuedReplyBytes = 0
    /// True if the bytes written so far end with a message.
    var isAtBoundary = true
    /// The source has said its last.
    var isSourceEnded = false
    /// That has been passed on to the sink.
    var isSinkShut = false
    /// The sink takes no more bytes.
    var isSinkBroken = false
    /// The sink had no room before the source was read: that waits until the kernel tells of room.
    var isSinkFull = false
    /// The most bytes of the next read; see ``Worker/fittingReadBytes(_:_:)``.
    var readLimit = Pipe.usualReadBytes
    /// Bytes that came from the source.
    var receivedBytes: UInt64 = 0

    /// True if the source may be read.
    var wantsBytes: Bool { !isSourceEnded && !isSinkBroken && !isSinkFull && queue.isEmpty }
    /// True if the source is to be read as soon as the sink has room.
    var wantsRoom: Bool { isSinkFull && !isSourceEnded && !isSinkBroken }
    /// True if nothing more will pass.
    var isFinished: Bool { isSinkShut || isSinkBroken }
    /// The bytes of memory that wait for the sink.
    var waitingBytes: Int { queue.memoryBytes + replies.count }
    /// Replies the sink has not taken, in bytes.
    var waitingReplyBytes: Int { replies.count + (queue.isEmpty ? 0 : queuedReplyBytes) }
}

// MARK: Plans

extension Pipe {
    /// So many replies may wait before the peer they answer is no longer read.
    static let maxReplyBytes = 262_144

    /// Carries out a plan over what is held and what arrived; what is to be written is in the queue afterwards.
    ///
    /// - Returns: True if the session kept within what it may hold; if not, everything held was passed on.
    mutating func carryOut(_ plan: borrowing Plan, _ new: RawSpan) -> Bool {
        let arrived = new.extracting(reach(into: new)..<new.byteCount)
        if plan.forwardsAll {
            passOnHeld()
            if arrived.byteCount > 0 { queue.append(arrived) }
            isAtBoundary = plan.endsAtBoundary
            if isAtBoundary { emitReplies() }
            return true
        }
        if held.isEmpty {
            let taken = apply(plan, to: arrived)
            if taken < arrived.byteCount { held = arrived.extracting(taken..<arrived.byteCount).array }
        } else {
            var all: [UInt8] = []
            swap(&all, &held)
            all.append(arrived)
            let taken = apply(plan, to: all.byteSpan)
            // A copy, so that what is held keeps no more memory than it needs.
            if taken == 0 { swap(&all, &held) } else if taken < all.count { held = Array(all[taken...]) }
        }
        guard held.count <= HoldLimits.directionBytes else {
            passOnHeld()
            return false
        }
        return true
    }

    /// Writes what is held without waiting for the session's decision.
    mutating func passOnHeld() {
        guard !held.isEmpty else { return }
        queue.append(held)
        held = []
        isAtBoundary = false
    }

    /// Applies the edits to `bytes` and says how many of them they cover.
    private mutating func apply(_ plan: borrowing Plan, to bytes: RawSpan) -> Int {
        var at = 0
        for edit in plan.edits {
            // What follows a step that reaches beyond the bytes does so too.
            guard reach.isEmpty else {
                postpone(edit, plan)
                continue
            }
            let left = bytes.byteCount - at
            switch edit {
            case .forward(let count):
                let here = min(count, left)
                emit(bytes.extracting(at..<at + here))
                at += here
                if here < count { postpone(.forward(count - here), plan) }
            case .drop(let count):
                at += min(count, left)
                if count > left { postpone(.drop(count - left), plan) }
            case .replace(let count, with: let range):
                if !range.isEmpty { emit(plan.content.byteSpan.slice(range)) }
                at += min(count, left)
                if count > left { postpone(.drop(count - left), plan) }
            case .boundary: endMessage()
            }
        }
        return at
    }

    private mutating func postpone(_ edit: Plan.Edit, _ plan: borrowing Plan) {
        switch (edit, reach.last) {
        case (.forward(let count), .forward(let earlier)): reach[reach.count - 1] = .forward(earlier + count)
        case (.drop(let count), .drop(let earlier)): reach[reach.count - 1] = .drop(earlier + count)
        case (.forward(let count), _): reach.append(.forward(count))
        case (.drop(let count), _): reach.append(.drop(count))
        case (.replace(let count, with: let range), _):
            if !range.isEmpty { reach.append(.insert(Array(plan.content[range.indices]))) }
            if count > 0 { postpone(.drop(count), plan) }
        case (.boundary, _): reach.append(.boundary)
        }
    }

    /// Gives arriving bytes to what earlier plans reached for, and says how many.
    private mutating func reach(into arrived: RawSpan) -> Int {
        guard !reach.isEmpty else { return 0 }
        var at = 0
        var done = 0
        steps: while done < reach.count {
            let left = arrived.byteCount - at
            switch reach[done] {
            case .forward(let wanted):
                let here = min(wanted, left)
                emit(arrived.extracting(at..<at + here))
                at += here
                guard here == wanted else {
                    reach[done] = .forward(wanted - here)
                    break steps
                }
            case .drop(let wanted):
                let here = min(wanted, left)
                at += here
                guard here == wanted else {
                    reach[done] = .drop(wanted - here)
                    break steps
                }
            case .insert(let bytes): emit(bytes.byteSpan)
            case .boundary: endMessage()
            }
            done += 1
        }
        if done == reach.count { reach = [] } else if done > 0 { reach.removeFirst(done) }
        return at
    }

    private mutating func emit(_ bytes: RawSpan) {
        guard bytes.byteCount > 0 else { return }
        queue.append(bytes)
        isAtBoundary = false
    }
}

// MARK: Replies

extension Pipe {
    private mutating func endMessage() {
        isAtBoundary = true
        emitReplies()
    }

    /// Queues replies and writes them if a message has just ended.
    mutating func addReplies(_ bytes: [UInt8]) {
        replies.append(contentsOf: bytes)
        if isAtBoundary { emitReplies() }
    }

    mutating func emitReplies() {
        guard !replies.isEmpty else { return }
        if queue.isEmpty { queuedReplyBytes = 0 }
        queuedReplyBytes += replies.count
        queue.append(replies)
        replies = []
    }

    /// The session decides nothing any more: what it held goes on, and what waited for its boundaries would wait for
    /// ever.
    mutating func goBlind() {
        passOnHeld()
        replies = []
    }
}
