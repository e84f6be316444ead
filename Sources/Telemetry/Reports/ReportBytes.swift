internal import Calls

/// A writer of numbers (LEB128) and texts (length, UTF-8) for another process of Weir.
public struct ReportWriter: Sendable {
    /// The bytes written.
    public private(set) var bytes: [UInt8] = []

    /// An empty writer.
    public init() {}

    /// Appends a number.
    public mutating func add(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest &>>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Appends a number, 0 for one below it.
    public mutating func add(_ number: Int) { add(UInt64(clamping: number)) }

    /// Appends a number that may be below 0.
    public mutating func add(signed number: Int64) { add(UInt64(bitPattern: (number &<< 1) ^ (number &>> 63))) }

    /// Appends a text.
    public mutating func add(_ text: String) { add(Array(text.utf8)) }

    /// Appends bytes and their number before them.
    public mutating func add(_ piece: [UInt8]) {
        add(piece.count)
        bytes += piece
    }

    /// Appends the number of elements, then each.
    public mutating func add<Elements: Collection>(
        each elements: Elements,
        _ body: (inout ReportWriter, Elements.Element) -> Void
    ) {
        add(elements.count)
        for element in elements { body(&self, element) }
    }

    /// Appends a histogram without its exemplars.
    mutating func add(_ histogram: HistogramSnapshot) {
        add(histogram.count)
        guard histogram.count > 0 else { return }
        for number in [histogram.sumNanoseconds, histogram.maxNanoseconds, histogram.zeroCount] { add(number) }
        for count in histogram.classic { add(count) }
        add(each: histogram.buckets) { writer, bucket in
            writer.add(bucket.bucket)
            writer.add(bucket.count)
        }
    }
}

/// The reasons for which a report of another process cannot be read.
public enum ReportError: Error, Equatable, Sendable {
    /// It ends too early, is too long, was changed on its way, or is of another version.
    case malformed
}

/// A reader of the bytes of a ``ReportWriter``.
///
/// The bytes may be anything. Nothing is allocated for a number of elements before the elements are there.
public struct ReportReader: Sendable {
    /// The longest text, in bytes.
    public static let maxTextBytes = 4096

    private let bytes: ArraySlice<UInt8>
    private var at: Int

    /// A reader at the start of these bytes.
    public init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    /// True if everything has been read.
    public var isAtEnd: Bool { at == bytes.endIndex }

    /// Reads a number.
    public mutating func number() throws(ReportError) -> UInt64 {
        var number: UInt64 = 0
        for shift: UInt64 in stride(from: 0, to: 70, by: 7) {
            guard at < bytes.endIndex else { throw .malformed }
            let byte = bytes[at]
            at += 1
            guard shift < 63 || byte <= 1 else { throw .malformed }
            number |= UInt64(byte & 0x7f) &<< shift
            if byte < 0x80 { return number }
        }
        throw .malformed
    }

    /// Reads a number that may be below 0.
    public mutating func signed() throws(ReportError) -> Int64 {
        let number = try number()
        return Int64(bitPattern: number &>> 1) ^ (0 &- Int64(bitPattern: number & 1))
    }

    /// Reads a number of elements or bytes, each of which takes at least one byte.
    private mutating func count() throws(ReportError) -> Int {
        let number = try number()
        guard number <= UInt64(bytes.endIndex - at) else { throw .malformed }
        return Int(number)
    }

    /// Reads a text of at most ``maxTextBytes``.
    public mutating func text() throws(ReportError) -> String {
        let piece = try piece()
        guard piece.count <= Self.maxTextBytes else { throw .malformed }
        return String(decoding: piece, as: UTF8.self)
    }

    /// Reads bytes that have their number before them.
    public mutating func piece() throws(ReportError) -> ArraySlice<UInt8> {
        let length = try count()
        defer { at += length }
        return bytes[at..<at + length]
    }

    /// Reads elements that have their number before them.
    ///
    /// - Parameters:
    ///   - limit: The most there may be.
    ///   - body: Reads one.
    /// - Returns: The elements.
    /// - Throws: ``ReportError``, when there are more or the bytes end before.
    public mutating func each<Element>(
        atMost limit: Int = .max,
        _ body: (inout ReportReader) throws(ReportError) -> Element
    ) throws(ReportError) -> [Element] {
        var rest = try count()
        guard rest <= limit else { throw .malformed }
        var elements: [Element] = []
        while rest > 0 {
            elements.append(try body(&self))
            rest -= 1
        }
        return elements
    }

    /// Reads a histogram.
    mutating func histogram() throws(ReportError) -> HistogramSnapshot {
        var histogram = HistogramSnapshot()
        histogram.count = try number()
        guard histogram.count > 0 else { return histogram }
        histogram.sumNanoseconds = try number()
        histogram.maxNanoseconds = try number()
        histogram.zeroCount = try number()
        for at in histogram.classic.indices { histogram.classic[at] = try number() }
        var last = 0
        histogram.buckets = try each { reader throws(ReportError) in
            let bucket = HistogramSnapshot.Bucket(
                bucket: Int(clamping: try reader.number()),
                count: try reader.number()
            )
            guard last < bucket.bucket, bucket.bucket <= HistogramScale.nativeCount else { throw .malformed }
            last = bucket.bucket
            return bucket
        }
        return histogram
    }
}

/// A word that stands for a case in reports, so that processes of two releases understand each other.
public protocol ReportWord: CaseIterable {
    /// The word.
    var label: StaticString { get }
    /// All cases that have a word.
    static var known: [Self] { get }
}

extension ReportWord {
    /// All cases.
    public static var known: [Self] { Array(allCases) }
}

extension Side: ReportWord {}
extension CallProtocol: ReportWord {}
extension ConnectionProtocol: ReportWord {}
extension Outcome: ReportWord {}
extension PeerEvent: ReportWord {}
extension UninspectedReason: ReportWord {}
extension ConnectionRejectReason: ReportWord {}
extension PartialVerdictReason: ReportWord {}

extension ReportWriter {
    /// Appends a case as its word.
    public mutating func add(word: some ReportWord) { add(word.label.description) }
}

extension ReportReader {
    /// Reads a case by its word; one that this release does not know makes the report unreadable.
    public mutating func word<Word: ReportWord>() throws(ReportError) -> Word {
        let text = try text()
        guard let word = Word.known.first(where: { $0.label.description == text }) else { throw .malformed }
        return word
    }
}
