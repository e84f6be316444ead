internal import Calls
package import Wire

/// The values of one request's wanted attachments or headers, by the slots of a ``FieldSelector``.
///
/// Of a name that comes twice the last value counts. Used again for every request, so that it allocates nothing.
package final class FieldValues {
    /// The wanted names.
    private(set) var selector = FieldSelector.none
    private var ranges = FlatTable(repeating: ByteRange.empty, count: 0)
    /// The slots that have a value, a bit each: those of ``TraceField`` and 52 others first.
    private var first: UInt64 = 0
    private var others: (UInt64, UInt64) = (0, 0)

    /// Forgets the values and takes up what is wanted.
    func begin(_ selector: FieldSelector) {
        first = 0
        others = (0, 0)
        guard self.selector !== selector else { return }
        self.selector = selector
        ranges = FlatTable(repeating: .empty, count: selector.names.count)
    }

    /// The value in a slot; `nil` if the request has none.
    subscript(slot: UInt8) -> ByteRange? {
        let word = slot < 64 ? first : slot < 128 ? others.0 : others.1
        return word & 1 << UInt64(slot & 63) == 0 ? nil : ranges[Int(slot)]
    }

    /// Keeps a value.
    func set(_ slot: UInt8, _ value: ByteRange) {
        let bit: UInt64 = 1 << UInt64(slot & 63)
        if slot < 64 { first |= bit } else if slot < 128 { others.0 |= bit } else { others.1 |= bit }
        ranges[Int(slot)] = value
    }

    /// Keeps the value of an attachment, if it is wanted.
    @inline(__always)
    package func take(_ name: RawSpan, _ value: ByteRange) {
        let slot = selector.slot(of: name)
        if slot != FieldSelector.unwanted { set(slot, value) }
    }

    /// Forgets a value.
    func remove(_ field: TraceField) { first &= ~field.bit }

    /// The value of a part of trace contexts; empty if the request has none.
    @inline(__always)
    subscript(field: TraceField) -> ByteRange { first & field.bit == 0 ? .empty : ranges[Int(field.rawValue)] }

    /// True if the request has any of those parts of trace contexts.
    ///
    /// - Parameter bits: The ``TraceField/bit``s of the parts.
    /// - Returns: `false` if all are missing; one that is there may be empty.
    @inline(__always)
    func hasAny(of bits: UInt64) -> Bool { first & bits != 0 }
}

/// Where the stages of the ``RequestPipeline`` find what they look at in a request besides what is called.
package struct RequestFields: ~Escapable {
    /// The wanted values; `nil` if they are not known, or none is wanted.
    let values: FieldValues?
    /// The place of the calling application's name; empty if the request does not say.
    let caller: ByteRange
    /// The bytes that the ranges point into.
    let texts: RawSpan

    /// The fields of a request.
    @_lifetime(copy texts)
    package init(_ values: FieldValues?, caller: ByteRange, in texts: RawSpan) {
        self.values = values
        self.caller = caller
        self.texts = texts
    }

    /// The fields of a request that has none, or of which they are not known.
    @_lifetime(immortal)
    package init() {
        values = nil
        caller = .empty
        texts = RawSpan()
    }
}
