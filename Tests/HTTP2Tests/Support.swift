import Foundation
import HTTP2
import TestSupport
import Testing
import Wire

/// A field that outlives its block.
struct OwnedField: Equatable, CustomStringConvertible {
    var name: [UInt8]
    var value: [UInt8]
    var nameID: UInt8 = 0
    var isNeverIndexed = false
    var isUnknown = false
    var isValueUnknown = false

    init(_ name: String, _ value: String) {
        self.name = Array(name.utf8)
        self.value = Array(value.utf8)
    }

    init(_ field: borrowing HeaderField) {
        name = field.name.array
        value = field.value.array
        nameID = field.nameID
        isNeverIndexed = field.isNeverIndexed
        isUnknown = field.isUnknown
        isValueUnknown = field.isValueUnknown
    }

    var pair: [[UInt8]] { [name, value] }

    var description: String {
        "\(String(decoding: name, as: UTF8.self)): \(String(decoding: value, as: UTF8.self))"
            + (isUnknown ? " (unknown)" : "")
    }
}

/// Keeps every field it wants.
struct Collector: HeaderSink {
    var fields: [OwnedField] = []
    var wantedIDs: Set<UInt8>?

    func wants(nameID: UInt8) -> Bool { wantedIDs?.contains(nameID) ?? true }

    mutating func field(_ field: borrowing HeaderField) { fields.append(OwnedField(field)) }
}

let tripleNames = HPACKNames(
    NameTable([
        (":path", 1), (":status", 2), ("content-type", 3), ("grpc-status", 4), ("grpc-timeout", 5),
        ("tri-service-version", 6), ("custom-key", 7),
    ])
)

/// A decoder with all it needs, for tests that do not look at these parts.
struct Decoding: ~Copyable {
    var decoder: HPACKDecoder
    var scratch = HPACKScratch()
    var wantedIDs: Set<UInt8>?

    init(
        tableBytes: UInt32 = 4096,
        isMidstream: Bool = false,
        limits: HPACKLimits = HPACKLimits(),
        wantedIDs: Set<UInt8>? = nil
    ) {
        decoder = HPACKDecoder(names: tripleNames, tableBytes: tableBytes, isMidstream: isMidstream, limits: limits)
        self.wantedIDs = wantedIDs
    }

    mutating func decode(_ block: [UInt8]) throws(HPACKError) -> [OwnedField] {
        var sink = Collector(wantedIDs: wantedIDs)
        try decoder.decode(block.span.bytes, scratch: &scratch, into: &sink)
        return sink.fields
    }

    mutating func decode(_ text: String) throws(HPACKError) -> [OwnedField] { try decode(hex(text)) }

    mutating func pairs(_ block: [UInt8]) throws(HPACKError) -> [[[UInt8]]] { try decode(block).map(\.pair) }

    mutating func error(_ block: [UInt8]) -> HPACKError? {
        do throws(HPACKError) {
            _ = try decode(block)
            return nil
        } catch { return error }
    }

    mutating func error(_ text: String) -> HPACKError? { error(hex(text)) }
}

/// The folder of test data beside the package, if it is there.
func corpus(_ folder: String) -> URL? {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    let base =
        ProcessInfo.processInfo.environment["WEIR_CORPUS"].map { URL(fileURLWithPath: $0) }
        ?? root.deletingLastPathComponent().appendingPathComponent("shared/corpus")
    let url = base.appendingPathComponent(folder)
    if FileManager.default.fileExists(atPath: url.path) { return url }
    print("corpus/\(folder) is absent: its vectors are not tested")
    return nil
}

/// An HPACK integer.
func integer(_ value: Int, mask: UInt8, lead: UInt8) -> [UInt8] {
    guard value >= Int(mask) else { return [lead | UInt8(value)] }
    var bytes = [lead | mask]
    var rest = value - Int(mask)
    while rest >= 0x80 {
        bytes.append(UInt8(rest & 0x7f) | 0x80)
        rest >>= 7
    }
    return bytes + [UInt8(rest)]
}

/// A string without Huffman code.
func string(_ text: [UInt8]) -> [UInt8] { integer(text.count, mask: 0x7f, lead: 0) + text }

/// A literal that becomes an entry.
func inserting(_ name: String, _ value: String) -> [UInt8] {
    [0x40] + string(Array(name.utf8)) + string(Array(value.utf8))
}

/// Fields in the form of ``PythonBlocks``.
func spelled(_ fields: [OwnedField]) -> String {
    fields.map { ($0.isNeverIndexed ? "!" : "") + hexText($0.name) + "=" + hexText($0.value) }.joined(separator: " ")
}
