internal import Calls
internal import Telemetry

/// The table that `weir read` prints for people: a row per operation.
enum SummaryTable {
    private static let head = [
        "interface", "method", "calls", "errors", "p50", "p90", "p99", "max", "request", "reply",
    ]

    /// The table of a snapshot, and below it what else was met.
    static func render(_ snapshot: MetricsSnapshot, remarks: [String], columns: Int) -> String {
        let called = snapshot.operations.filter { $0.calls > 0 }
        var rows = called.sorted { ($0.calls, $1.name) > ($1.calls, $0.name) }.map(row)
        rows.insert(head, at: 0)
        var widths = head.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        // The names give way when the terminal is narrow.
        let surplus = widths.reduce(0, +) + 2 * (widths.count - 1) - columns
        if surplus > 0 { widths[0] = max(12, widths[0] - surplus) }
        var text = ""
        for row in rows {
            var line = ""
            for (column, cell) in row.enumerated() {
                let cell = column == 0 ? shortened(cell, to: widths[0]) : cell
                let padding = String(repeating: " ", count: max(0, widths[column] - cell.count))
                line += column < 2 ? cell + padding : padding + cell
                if column < row.count - 1 { line += "  " }
            }
            text += line + "\n"
        }
        return text + footer(snapshot, remarks)
    }

    private static func row(_ report: OperationReport) -> [String] {
        let quantiles = [0.5, 0.9, 0.99].map { report.duration.quantile($0).map(duration) ?? "-" }
        let longest = report.duration.count > 0 ? duration(Double(report.duration.maxNanoseconds) / 1e9) : "-"
        let names = [report.name, report.operation.method].map(TerminalText.printable)
        return names + [String(report.calls), String(report.errors)] + quantiles
            + [longest, bytes(report.requestBytes), bytes(report.responseBytes)]
    }

    private static func footer(_ snapshot: MetricsSnapshot, _ remarks: [String]) -> String {
        var lines: [String] = []
        let heartbeats = snapshot.events.filter { $0.event == .heartbeat }.reduce(0) { $0 + $1.count }
        let readonly = snapshot.events.filter { $0.event == .readonly }.reduce(0) { $0 + $1.count }
        if heartbeats > 0 { lines.append("heartbeats \(heartbeats)") }
        if readonly > 0 { lines.append("read-only events \(readonly)") }
        let late = snapshot.operations.reduce(0) { $0 + $1.lateReplies }
        if late > 0 { lines.append("late replies \(late)") }
        let unknown = snapshot.operations.flatMap(\.results).reduce(0) { $0 + ($1.outcome == .unknown ? $1.count : 0) }
        if unknown > 0 { lines.append("replies that could not be read \(unknown)") }
        for error in snapshot.decodeErrors where error.count > 0 {
            lines.append("decode errors (\(error.reason)) \(error.count)")
        }
        for skipped in snapshot.uninspectedBytes where skipped.count > 0 {
            lines.append("not inspected (\(skipped.reason.label)) \(bytes(skipped.count))")
        }
        lines += remarks
        return lines.isEmpty ? "" : "\n" + lines.joined(separator: "\n") + "\n"
    }

    private static func shortened(_ name: String, to width: Int) -> String {
        name.count <= width ? name : "…" + name.suffix(width - 1)
    }

    private static func duration(_ seconds: Double) -> String {
        switch seconds {
        case ..<0.001: tenths(seconds * 1e6) + " µs"
        case ..<1: tenths(seconds * 1e3) + " ms"
        default: tenths(seconds) + " s"
        }
    }

    private static func bytes(_ count: UInt64) -> String {
        let size = Double(count)
        switch size {
        case ..<1e3: return "\(count) B"
        case ..<1e6: return tenths(size / 1e3) + " kB"
        case ..<1e9: return tenths(size / 1e6) + " MB"
        default: return tenths(size / 1e9) + " GB"
        }
    }

    private static func tenths(_ value: Double) -> String {
        let tenths = Int(value * 10 + 0.5)
        return "\(tenths / 10).\(tenths % 10)"
    }
}

extension OperationReport {
    /// The interface with group and version where there are any.
    var name: String {
        var name = operation.interface
        if !operation.group.isEmpty { name = operation.group + "/" + name }
        if !operation.version.isEmpty { name += ":" + operation.version }
        return name
    }
}
