public import Wire

/// A session's instructions to the relay for the bytes of one direction.
///
/// A direction's unforwarded bytes are one sequence: what the relay holds, then what just arrived. The edits walk over
/// that sequence from its start (or, when an earlier plan reached beyond what had arrived, from the end of that
/// reach); what they do not cover stays held. A plan belongs to the worker and is used again for every read.
public struct Plan: Sendable {
    /// One step over the sequence.
    public enum Edit: BitwiseCopyable, Equatable, Sendable {
        /// Pass on the next `n` bytes, which may still have to arrive.
        case forward(Int)
        /// Leave out the next `n` bytes, which may still have to arrive.
        case drop(Int)
        /// Leave out `n` bytes, all of them here, and write a range of ``Plan/content`` in their place.
        case replace(Int, with: ByteRange)
        /// A message ends here: queued replies may be written.
        case boundary
    }

    /// The edits, in order; empty when ``forwardsAll``.
    public private(set) var edits: [Edit] = []
    /// The bytes that ``Edit/replace(_:with:)`` writes.
    public private(set) var content: [UInt8] = []
    /// Bytes to be written to the peer these came from, at the other direction's next boundary.
    public private(set) var reply: [UInt8] = []
    /// True if everything held and arrived is passed on unchanged.
    public private(set) var forwardsAll = false
    /// For ``forwardsAll``: whether a message ends where the bytes do.
    public private(set) var endsAtBoundary = false
    /// True if the connection is to be closed once everything that is to be written has been.
    public private(set) var closes = false
    /// Set by the relay before it asks: replies wait for a boundary in this direction.
    public var isBoundaryWanted = false

    /// An empty plan: everything is held.
    public init() {}

    /// Forgets the edits and keeps the memory.
    public mutating func removeAll() {
        forwardsAll = false
        endsAtBoundary = false
        isBoundaryWanted = false
        closes = false
        if !edits.isEmpty { edits.removeAll(keepingCapacity: true) }
        if !content.isEmpty { content.removeAll(keepingCapacity: true) }
        if !reply.isEmpty { reply.removeAll(keepingCapacity: true) }
    }

    /// Passes everything on.
    ///
    /// - Parameter endsAtBoundary: True if a message ends where the bytes do.
    @inlinable @inline(__always)
    public mutating func forwardAll(endsAtBoundary: Bool) {
        setForwardAll(endsAtBoundary)
    }

    @usableFromInline
    mutating func setForwardAll(_ atBoundary: Bool) {
        forwardsAll = true
        endsAtBoundary = atBoundary
    }

    /// Passes on the next `count` bytes.
    ///
    /// - Parameter count: Not negative; may reach beyond what has arrived.
    public mutating func forward(_ count: Int) {
        if count > 0 { edits.append(.forward(count)) }
    }

    /// Leaves out the next `count` bytes.
    ///
    /// - Parameter count: Not negative; may reach beyond what has arrived.
    public mutating func drop(_ count: Int) {
        if count > 0 { edits.append(.drop(count)) }
    }

    /// Writes `bytes` in place of the next `count` ones.
    ///
    /// - Parameters:
    ///   - count: How many are left out, all of them here; 0 inserts.
    ///   - bytes: What is written.
    public mutating func replace(_ count: Int, with bytes: [UInt8]) {
        edits.append(.replace(count, with: ByteRange(offset: content.count, count: bytes.count)))
        content.append(contentsOf: bytes)
    }

    /// Marks that a message ends here.
    public mutating func markBoundary() { edits.append(.boundary) }

    /// Closes the connection once everything that is to be written to both peers has been: no byte that comes later
    /// passes.
    public mutating func close() { closes = true }

    /// Writes `bytes` to the peer that sent what is being read, at the other direction's next boundary.
    ///
    /// - Parameter bytes: Whole messages.
    public mutating func reply(with bytes: [UInt8]) { reply.append(contentsOf: bytes) }
}

extension Plan {
    /// The bytes that the edits make of `bytes`, which are all here.
    func result(on bytes: RawSpan) -> [UInt8] {
        var out: [UInt8] = []
        var at = 0
        for edit in edits {
            switch edit {
            case .forward(let count):
                out.append(bytes.extracting(at..<at + count))
                at += count
            case .drop(let count): at += count
            case .replace(let count, with: let range):
                out += content[range.indices]
                at += count
            case .boundary: break
            }
        }
        return out
    }
}
