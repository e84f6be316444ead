public import Calls

/// The labels of a metric whose values are all known beforehand, as one value: each has its own place in a row of
/// numbers.
public protocol MetricLabels: Sendable {
    /// The labels' names and values.
    static var descriptions: [MetricLabelDescription] { get }
    /// The number of values.
    static var count: Int { get }
    /// All values, in the order of their indexes.
    static var allLabels: [Self] { get }
    /// The value's place, from 0 to ``count`` − 1.
    var index: Int { get }
    /// The labels in the order in which the page has them.
    var texts: [(name: StaticString, value: StaticString)] { get }
    /// False for the place of a registered protocol: it has a line on the page once something is counted.
    var hasLineAtZero: Bool { get }
}

extension MetricLabels {
    /// True: all values are known beforehand.
    public var hasLineAtZero: Bool { true }
}

/// The description of a metric's label.
public struct MetricLabelDescription: Equatable, Sendable {
    /// The label's name.
    public let name: String
    /// All values, if they are known beforehand.
    public let values: [String]?

    /// A label with those values.
    init(_ name: StaticString, _ values: [String]? = nil) {
        self.name = name.description
        self.values = values
    }
}

/// One label; its cases are its values, numbered from 0 without a gap.
public protocol MetricLabel: MetricLabels, ReportWord {
    /// The label's name.
    static var labelName: StaticString { get }
}

extension MetricLabel {
    /// Its name and its cases' words.
    public static var descriptions: [MetricLabelDescription] {
        [MetricLabelDescription(labelName, allCases.map(\.label.description))]
    }

    /// The number of cases; a constant to the compiler for an enumeration of this module.
    public static var count: Int { allCases.count }

    /// All cases.
    public static var allLabels: [Self] { Array(allCases) }

    /// Its name and its word.
    public var texts: [(name: StaticString, value: StaticString)] { [(Self.labelName, label)] }
}

extension MetricLabel where Self: RawRepresentable, RawValue == UInt8 {
    /// The raw value.
    @inlinable public var index: Int { Int(rawValue) }
}

/// No labels: the metric is one number.
public struct NoLabels: MetricLabels {
    /// Always empty.
    public static var descriptions: [MetricLabelDescription] { [] }
    /// One number.
    public static var count: Int { 1 }
    /// The only value.
    public static var allLabels: [NoLabels] { [NoLabels()] }
    /// The only place.
    @inlinable public var index: Int { 0 }
    /// Always empty.
    public var texts: [(name: StaticString, value: StaticString)] { [] }

    /// The only value.
    @inlinable
    public init() {}
}

/// Two labels.
public struct LabelPair<First: MetricLabel, Second: MetricLabel>: MetricLabels {
    /// The label that comes first on the page.
    public let first: First
    /// The other one.
    public let second: Second

    /// A pair with these values.
    @inlinable
    public init(_ first: First, _ second: Second) {
        self.first = first
        self.second = second
    }

    /// The names and values of both.
    public static var descriptions: [MetricLabelDescription] { First.descriptions + Second.descriptions }
    /// The number of pairs: every value of the one with every value of the other.
    public static var count: Int { First.count * Second.count }
    /// All pairs; the second one changes faster.
    public static var allLabels: [LabelPair] {
        First.allLabels.flatMap { first in Second.allLabels.map { LabelPair(first, $0) } }
    }
    /// The pair's place.
    @inlinable public var index: Int { first.index &* Second.count &+ second.index }
    /// Both.
    public var texts: [(name: StaticString, value: StaticString)] { first.texts + second.texts }
    /// True if it is so for both.
    public var hasLineAtZero: Bool { first.hasLineAtZero && second.hasLineAtZero }
}

// MARK: The labels there are

// The number of cases is written down where the compiler would not make a constant of it, and for what stands second
// in a pair, where it is needed for each count; a test compares it.

extension Side: MetricLabel {
    /// `side`.
    public static var labelName: StaticString { "side" }
    /// The number of sides.
    public static var count: Int { 2 }
}

extension ConnectionProtocol: MetricLabel {
    /// `protocol`.
    public static var labelName: StaticString { "protocol" }
    /// The number of protocols and of places for registered ones.
    public static var count: Int { 11 }
    /// All of them; the places of registered protocols are last.
    public static var allLabels: [ConnectionProtocol] {
        (0..<count).compactMap { ConnectionProtocol(rawValue: UInt8($0)) }
    }
    /// Its name and the product's protocols.
    public static var descriptions: [MetricLabelDescription] {
        [MetricLabelDescription(labelName, product.map(\.label.description))]
    }
    /// False for a registered protocol.
    public var hasLineAtZero: Bool { rawValue < Self.product.count }
}

extension TraceFormat: MetricLabel {
    /// `format`.
    public static var labelName: StaticString { "format" }
}

extension PeerEvent: MetricLabel {
    /// `event`.
    public static var labelName: StaticString { "event" }
    /// The number of events.
    public static var count: Int { 4 }
}

extension UninspectedReason: MetricLabel {
    /// `reason`.
    public static var labelName: StaticString { "reason" }
}

extension ConnectionRejectReason: MetricLabel {
    /// `reason`.
    public static var labelName: StaticString { "reason" }
}

extension PartialVerdictReason: MetricLabel {
    /// `reason`.
    public static var labelName: StaticString { "reason" }
}

extension TracingCounters.Injection: MetricLabel {
    /// `result`.
    public static var labelName: StaticString { "result" }
    /// The raw value.
    public var index: Int { rawValue }
}
