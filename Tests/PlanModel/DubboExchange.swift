/// What the two peers of a Dubbo connection must make of what a session lets pass.
///
/// It takes bytes apart into frames with code of its own and compares what came from a peer with what left for the
/// other and with what Weir said: every frame that left is one that came, whole, in its order and once, and each
/// request that came has either left or been answered once by Weir. Bytes that are no row of frames promise nothing.
package enum DubboExchange {
    /// One frame of a row.
    package struct Frame: Equatable, Sendable {
        /// Flags, status and id: all of the header that a session must not change.
        package var head: ArraySlice<UInt8>
        /// What follows the header.
        package var body: ArraySlice<UInt8>

        package var isRequest: Bool { flags & 0x80 != 0 }
        package var isTwoWay: Bool { flags & 0x40 != 0 }
        package var isEvent: Bool { flags & 0x20 != 0 }
        package var id: UInt64 { head.suffix(8).reduce(0) { $0 << 8 | UInt64($1) } }
        private var flags: UInt8 { head.first ?? 0 }

        /// Whether `other` is this frame, a request with something inserted before its last byte, or a reply with an
        /// attachment more: one run of bytes inserted, perhaps in the place of a null, behind a kind that may be another.
        fileprivate func isSame(as other: Frame) -> Bool {
            guard head == other.head else { return false }
            if body == other.body { return true }
            guard other.body.count > body.count, let last = body.last else { return false }
            if !isRequest {
                let (old, new) = (body.dropFirst(), other.body.dropFirst())
                let front = zip(old, new).prefix { $0 == $1 }.count
                let back = zip(old.dropFirst(front).reversed(), new.dropFirst(front).reversed()).prefix { $0 == $1 }
                    .count
                return front + back >= old.count - 1
            }
            return other.body.last == last && other.body.starts(with: body.dropLast())
        }
    }

    /// The frames of a row and what there is of one more; `nil` when the bytes are no such row.
    package static func split(_ bytes: [UInt8]) -> (frames: [Frame], rest: ArraySlice<UInt8>)? {
        var frames: [Frame] = []
        var rest = bytes[...]
        while let first = rest.first {
            guard first == 0xda, rest.count < 2 || rest[rest.startIndex + 1] == 0xbb else { return nil }
            guard rest.count >= 16 else { break }
            let start = rest.startIndex
            let length = rest[(start + 12)..<(start + 16)].reduce(0) { $0 << 8 | Int($1) }
            guard length <= Int(Int32.max) else { return nil }
            guard rest.count - 16 >= length else { break }
            let end = start + 16 + length
            frames.append(Frame(head: rest[(start + 2)..<(start + 12)], body: rest[(start + 16)..<end]))
            rest = rest[end...]
        }
        return (frames, rest)
    }

    /// Compares what came with what left.
    ///
    /// - Parameters:
    ///   - sent: What a peer has sent.
    ///   - passed: What has left of it for the other peer, and nothing else.
    ///   - said: What Weir has answered the sender, waiting or not.
    /// - Returns: What is wrong; `nil` when nothing is, or when nothing is promised.
    package static func fault(sent: [UInt8], passed: [UInt8], said: [UInt8]) -> String? {
        guard let sent = split(sent) else { return nil }
        guard let passed = split(passed) else { return "what leaves is no row of frames" }
        guard let said = split(said), said.rest.isEmpty else { return "what Weir says is no row of frames" }
        var answers: [UInt64: Int] = [:]
        var events: Set<UInt64> = []
        for frame in said.frames {
            if frame.isEvent { events.insert(frame.id) } else { answers[frame.id, default: 0] += 1 }
        }
        var left = passed.frames[...]
        for frame in sent.frames {
            if let next = left.first, frame.isSame(as: next) {
                left.removeFirst()
            } else if !frame.isRequest || frame.isEvent {
                guard frame.isEvent, events.contains(frame.id) else { return "frame \(frame.id) is lost" }
            } else if frame.isTwoWay {
                answers[frame.id, default: 0] -= 1
            }
        }
        if let next = left.first { return "frame \(next.id) leaves twice, out of order or changed" }
        guard sent.rest.starts(with: passed.rest) else { return "half a frame leaves that did not come" }
        // The last request may have been refused before all of it was there.
        if passed.rest.isEmpty, sent.rest.count >= 16 {
            let begun = Frame(head: sent.rest.dropFirst(2).prefix(10), body: [])
            if let count = answers[begun.id], count == 1 { answers[begun.id] = count - 1 }
        }
        guard let wrong = answers.first(where: { $0.value != 0 }) else { return nil }
        return "request \(wrong.key) is answered \(wrong.value) times more than it is left out"
    }
}
