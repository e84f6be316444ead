/// The spelling of labels.
enum LabelForm {
    /// `name="value"`, with commas between them.
    case text
    /// `io.prometheus.client.LabelPair` messages, each with the tag it has in a `Metric`.
    case protobuf
}

/// Labels in the form of a page.
struct LabelText {
    /// The field of labels in `Metric`, and in `Exemplar`.
    private static let labelField = 1
    private static let digits: [UInt8] = Array("0123456789abcdef".utf8)

    private(set) var bytes: [UInt8] = []
    private let form: LabelForm
    private var needsComma: Bool

    /// Labels that come first, or after others.
    init(_ form: LabelForm, isContinued: Bool = false) {
        self.form = form
        needsComma = isContinued
    }

    /// Appends a label.
    ///
    /// Control characters other than a line feed are spelled `\xNN`: names from the wire may hold them, and a NUL would
    /// end a scrape. In text a backslash, a quote and a line feed are escaped as the formats ask.
    mutating func add(_ name: StaticString, _ value: String) {
        switch form {
        case .text:
            if needsComma { bytes.append(0x2c) }
            bytes.append(contentsOf: name.description.utf8)
            bytes.append(contentsOf: [0x3d, 0x22])
            for byte in value.utf8 { append(escaped: byte) }
            bytes.append(0x22)
        case .protobuf:
            var pair = ProtobufWriter()
            pair.bytes(field: 1, Array(name.description.utf8))
            pair.bytes(field: 2, Self.printable(value))
            var field = ProtobufWriter()
            field.bytes(field: Self.labelField, pair.bytes)
            bytes.append(contentsOf: field.bytes)
        }
        needsComma = true
    }

    private mutating func append(escaped byte: UInt8) {
        switch byte {
        case 0x5c, 0x22:
            bytes.append(0x5c)
            bytes.append(byte)
        case 0x0a:
            bytes.append(contentsOf: [0x5c, 0x6e])
        case 0..<0x20, 0x7f:
            bytes.append(0x5c)
            bytes.append(contentsOf: Self.spelled(byte))
        default:
            bytes.append(byte)
        }
    }

    private static func printable(_ value: String) -> [UInt8] {
        let isControl = { (byte: UInt8) in (byte < 0x20 && byte != 0x0a) || byte == 0x7f }
        guard value.utf8.contains(where: isControl) else { return Array(value.utf8) }
        return value.utf8.flatMap { isControl($0) ? spelled($0) : [$0] }
    }

    /// `\xNN`.
    private static func spelled(_ byte: UInt8) -> [UInt8] {
        [0x5c, 0x78, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
}
