/// The table size updates at the beginning of a header block; a withheld block's updates must be passed on.
public struct HPACKSizeUpdates: BitwiseCopyable, Equatable, Sendable {
    /// The smallest of them, in bytes; `nil` when there was none.
    public internal(set) var lowestBytes: UInt32?
    /// The last of them.
    public internal(set) var lastBytes: UInt32?

    /// No updates.
    public init() {}

    mutating func append(_ bytes: UInt32) {
        lowestBytes = min(lowestBytes ?? bytes, bytes)
        lastBytes = bytes
    }
}

/// A decoder for the header blocks of one direction of a connection, beside their receiver.
///
/// It follows the sender's dynamic table and passes every field to a ``HeaderSink`` as views: of the block itself, of
/// the static table, of the dynamic table, or, for Huffman strings outside of tables, of a scratch buffer. Entries are
/// kept whole and know their name's number, so that a field by index costs neither a look-up nor a copy.
///
/// Every block of the direction must be given, whole and in order. After an error the table differs from the sender's:
/// later results are meaningless, though nothing traps. Memory: the live entries and at most half as much again,
/// including 44 bytes an entry. Source: RFC 7541.
public struct HPACKDecoder: ~Copyable {
    let names: HPACKNames
    let limits: HPACKLimits
    /// True if blocks may have been missed before the first one: unknown indexes are then fields and not errors.
    public let isMidstream: Bool
    var table: HPACKTable
    /// The bound in the receiver's SETTINGS.
    var limitBytes: UInt32
    /// The largest size that the next block must announce, because the receiver's SETTINGS went below the table's size.
    var dueBytes: UInt32?
    /// The size updates of the block decoded last.
    public internal(set) var sizeUpdates = HPACKSizeUpdates()
    /// True if the last block had a field that could not be decoded, because its name, or all of it, was sent before
    /// the decoder joined the connection.
    public internal(set) var hasUnknown = false

    /// A decoder with an empty table.
    ///
    /// - Parameters:
    ///   - names: The names that get numbers.
    ///   - tableBytes: The table's first size, which is also what SETTINGS allow until ``setLimit(_:)``; at most
    ///     ``HPACKLimits/maxTableBytes``, more is taken for that.
    ///   - isMidstream: True if blocks may have been missed before.
    ///   - limits: The bounds of a block.
    public init(
        names: HPACKNames,
        tableBytes: UInt32 = HTTP2Default.headerTableBytes,
        isMidstream: Bool = false,
        limits: HPACKLimits = HPACKLimits()
    ) {
        self.names = names
        self.limits = limits
        self.isMidstream = isMidstream
        table = HPACKTable(maxBytes: Int(tableBytes))
        limitBytes = min(tableBytes, HPACKLimits.maxTableBytes)
    }

    /// The receiver's SETTINGS_HEADER_TABLE_SIZE was acknowledged by the sender.
    ///
    /// A smaller one must be given when the acknowledgement is seen; a larger one may be given as soon as the setting
    /// is seen, for senders that use it in a block they write before the acknowledgement.
    ///
    /// - Parameter bytes: The setting's value.
    public mutating func setLimit(_ bytes: UInt32) {
        limitBytes = bytes
        if Int(bytes) < table.maxBytes, !isMidstream { dueBytes = min(dueBytes ?? bytes, bytes) }
    }

    /// The size that the sender's next block must announce, because SETTINGS made the table smaller; `nil` if none.
    ///
    /// A block that is inserted before that one must announce it, too.
    public var dueUpdateBytes: UInt32? { dueBytes }

    /// The heap memory it owns, in bytes.
    public var ownedBytes: Int { table.ownedBytes }

    /// The size of the dynamic table, in bytes by RFC 7541 §4.1: 32 an entry and its name and value.
    public var tableBytes: Int { table.tableBytes }

    /// Releases the memory that the live entries do not need; for a connection that has become idle.
    public mutating func trim() { table.trim() }

    /// Decodes a header block.
    ///
    /// - Parameters:
    ///   - block: The fragments of a HEADERS or PUSH_PROMISE frame and its CONTINUATIONs, joined.
    ///   - scratch: Any one; nothing is kept in it between calls.
    ///   - sink: The receiver of the fields it wants.
    /// - Throws: ``HPACKError``; the fields before the fault have been handed over.
    @inlinable
    public mutating func decode<Sink: HeaderSink & ~Copyable>(
        _ block: RawSpan,
        scratch: inout HPACKScratch,
        into sink: inout Sink
    ) throws(HPACKError) {
        var step = try begin(block)
        while step.at < block.byteCount {
            try readName(block, step: &step, scratch: &scratch)
            let isWanted = sink.wants(nameID: step.nameID)
            if step.isLiteral { try readValue(block, step: &step, scratch: &scratch, isWanted: isWanted) }
            if isWanted { sink.field(field(&step, block: block, scratch: scratch)) }
            if step.isInserted { insert(step, block: block, scratch: scratch) }
        }
    }
}
