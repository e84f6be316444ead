internal import HTTP2
internal import Wire

/// Decodes header blocks, beside a decoder that joined late and one whose blocks were written anew.
///
/// The first byte says whether the beginning was seen, the second sets the table's size; then come blocks behind a byte
/// of length. A decoder never traps; what one decodes and ``HPACKEncoder`` writes anew says the same to another.
///
/// - Parameter bytes: Any bytes.
public func fuzzHPACK(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 2 else { return }
    let names = HPACKNames(NameTable([(":path", 1), ("content-type", 2), ("x", 3)]))
    var first = HPACKDecoder(names: names, isMidstream: bytes[0] & 1 != 0)
    var late = HPACKDecoder(names: names, isMidstream: true)
    var anew = HPACKDecoder(names: names)
    var encoder = HPACKEncoder()
    var scratch = HPACKScratch()
    if bytes[0] & 2 != 0 {
        first.setLimit(UInt32(bytes[1]) << 7)
        anew.setLimit(UInt32(bytes[1]) << 7)
    }
    var rest = bytes[2...]
    while let length = rest.popFirst() {
        let block = Array(rest.prefix(Int(length)))
        rest = rest.dropFirst(Int(length))
        var fields = FieldCollector()
        var lateFields = FieldCollector()
        var lateWorked = true
        do throws(HPACKError) {
            try late.decode(block.span.bytes, scratch: &scratch, into: &lateFields)
        } catch { lateWorked = false }
        do throws(HPACKError) {
            try first.decode(block.span.bytes, scratch: &scratch, into: &fields)
        } catch {
            precondition(!error.label.description.isEmpty, "an error without a label")
            return
        }
        precondition(lateWorked, "what is decoded with the table is an error without")
        guard !first.isMidstream else { continue }
        encoder.carry(first.sizeUpdates)
        var written: [UInt8] = []
        encoder.beginBlock(into: &written)
        for field in fields.all {
            let (name, value) = (field.name, field.value)
            encoder.field(
                name: name.span.bytes,
                value: value.span.bytes,
                isNeverIndexed: field.isNeverIndexed,
                into: &written
            )
        }
        var again = FieldCollector()
        do throws(HPACKError) {
            try anew.decode(written.span.bytes, scratch: &scratch, into: &again)
        } catch { preconditionFailure("a block written anew cannot be decoded") }
        precondition(again.all == fields.all, "a block written anew says something else")
        precondition(anew.tableBytes == 0, "a block written anew leaves entries")
        precondition(first.tableBytes <= 16_384 && first.ownedBytes <= 65_536, "the table is unbounded")
    }
}

/// Keeps fields.
private struct FieldCollector: HeaderSink {
    struct Field: Equatable {
        var name: [UInt8]
        var value: [UInt8]
        var isNeverIndexed: Bool
    }

    var all: [Field] = []

    mutating func field(_ field: borrowing HeaderField) {
        all.append(Field(name: field.name.array, value: field.value.array, isNeverIndexed: field.isNeverIndexed))
    }
}
