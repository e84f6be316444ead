internal import Capture

/// Notes about a capture's other packets, for standard error.
struct ReadNotes {
    /// The file's name in errors and notes.
    let name: String
    let counters: CaptureCounters
    let filter: FilterCounts

    /// True if there were packets, and the link types of all of them are none that are read.
    var isUnreadable: Bool { counters.packets > 0 && counters.ofUnknownLinkType == counters.packets }

    /// The notes, a line each.
    var lines: [String] {
        var lines: [String] = []
        if isUnreadable {
            lines.append("\(name): no packet can be read: \(linkTypes), not supported")
        } else if !kinds.isEmpty {
            lines.append("\(name): of \(counters.packets) packets not read: " + kinds.joined(separator: ", "))
        }
        if filter.read > 0, filter.passed == 0 {
            var line = "\(name): none of \(filter.read) packets passed the filter"
            if filter.sawTags { line += "; there are VLAN tags, which a filter has to name: vlan and (…)" }
            lines.append(line)
        }
        if filter.unjudged > 0 {
            lines.append("\(name): \(filter.unjudged) packets are of link types that the filter says nothing about")
        }
        return lines
    }

    private var linkTypes: String {
        let names = counters.unknownLinkTypes.map(\.name)
        return (names.count == 1 ? "link type " : "link types ") + names.joined(separator: ", ")
    }

    /// The kinds of packets that were skipped, with their counts.
    private var kinds: [String] {
        var kinds: [(String, UInt64)] = [
            ("not IP", counters.nonIP), ("not TCP", counters.nonTCP), ("IP fragments", counters.fragments),
        ]
        for kind in UnsupportedKind.allCases {
            kinds.append(("\(kind.label) (not supported)", counters.unsupported(kind)))
        }
        let unknown = counters.malformed(.unknownLinkType)
        if unknown > 0 { kinds.append(("of \(linkTypes) (not supported)", unknown)) }
        for reason in MalformedReason.allCases where reason != .unknownLinkType {
            kinds.append(("malformed (\(reason.label))", counters.malformed(reason)))
        }
        return kinds.filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }
    }
}
