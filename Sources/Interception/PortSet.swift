internal import Settings

/// TCP ports as sorted ranges that neither touch nor overlap.
public struct PortSet: Equatable, Sendable, CustomStringConvertible {
    /// The most ports and ranges in a text.
    public static let maxItems = 256

    /// The ranges, ascending.
    public let ranges: [ClosedRange<UInt16>]

    /// Makes a set of single ports.
    ///
    /// - Parameter ports: Any order; repetitions and 0 are dropped.
    public init(_ ports: [UInt16]) {
        self.init(merging: ports.filter { $0 > 0 }.map { $0...$0 })
    }

    /// Reads `20880,50051,30000-30100`.
    ///
    /// - Parameter text: Ports 1…65535 and ranges with commas between them, at most ``maxItems``.
    /// - Throws: ``InterceptProblem/ports(_:)`` with the item that is wrong.
    public init(parsing text: String) throws(InterceptProblem) {
        let items = text.filter { $0 != " " }.split(separator: ",", omittingEmptySubsequences: false)
        guard items.count <= Self.maxItems else { throw .ports("more than \(Self.maxItems) items") }
        var ranges: [ClosedRange<UInt16>] = []
        for item in items {
            let ends = item.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map {
                UInt16(digits: $0) ?? 0
            }
            guard let first = ends.first, let last = ends.last, first > 0, first <= last else {
                throw .ports("not a port or range of 1...65535: \(String(item).quoted)")
            }
            ranges.append(first...last)
        }
        self.init(merging: ranges)
    }

    private init(merging ranges: [ClosedRange<UInt16>]) {
        var merged: [ClosedRange<UInt16>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, Int(range.lowerBound) <= Int(last.upperBound) + 1 {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        self.ranges = merged
    }

    /// True if it has no port.
    public var isEmpty: Bool { ranges.isEmpty }

    /// True if it has the port.
    ///
    /// - Parameter port: The port.
    /// - Returns: True if it has it.
    public func contains(_ port: UInt16) -> Bool { ranges.contains { $0 ~= port } }

    /// The ports of both.
    ///
    /// - Parameter other: Further ports.
    /// - Returns: The union.
    public func union(_ other: PortSet) -> PortSet { PortSet(merging: ranges + other.ranges) }

    /// `20880, 30000-30100`, as nft writes the inside of a set.
    public var description: String {
        ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ", ")
    }
}
