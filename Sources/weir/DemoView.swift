internal import Calls
internal import Clocks
internal import Demo
internal import Telemetry

/// Shows snapshots as the demo's table, or as lines where there is no terminal.
struct DemoView {
    private let route: String
    /// The table's last line.
    var footer = "Ctrl-C stops it"
    private let start = SystemClock.now()
    private let isTerminal = Output.isTerminal
    private var screen = DemoScreen()
    private var previous: [OperationKey: OperationReport] = [:]
    private var previousTime = SystemClock.now()

    private struct OperationKey: Hashable {
        let id: OperationID
        let side: Side
    }

    init(route: String) { self.route = route }

    mutating func show(_ snapshot: MetricsSnapshot) {
        let now = SystemClock.now()
        let elapsed = Double(now - previousTime) / 1e9
        let rows = snapshot.operations.map { row($0, elapsed) }
        let total = snapshot.operations.reduce(0) { $0 + $1.calls }
        let rates = rows.compactMap(\.callsPerSecond)
        let errors = rows.compactMap(\.errorsPerSecond)
        let header = DemoTable.Header(
            route: route,
            footer: footer,
            uptimeSeconds: Double(now - start) / 1e9,
            connections: snapshot.connections.reduce(0) { $0 + Int($1.open) },
            inFlight: rows.reduce(0) { $0 + $1.inFlight },
            totalCalls: total,
            callsPerSecond: rates.isEmpty ? nil : rates.reduce(0, +),
            errorsPerSecond: errors.isEmpty ? nil : errors.reduce(0, +)
        )
        for report in snapshot.operations { previous[OperationKey(id: report.id, side: report.side)] = report }
        previousTime = now
        draw(header, rows)
    }

    private mutating func draw(_ header: DemoTable.Header, _ rows: [DemoTable.Row]) {
        guard isTerminal else {
            _ = Output.write(Array((DemoTable.plainLine(header: header, rows: rows) + "\n").utf8))
            return
        }
        let size = Output.size
        let text = DemoTable.render(
            header: header,
            rows: rows,
            width: size.columns,
            height: size.rows - 1,
            colour: true
        )
        _ = Output.write(Array(screen.show(text).utf8))
    }

    private func row(_ report: OperationReport, _ elapsed: Double) -> DemoTable.Row {
        let before = previous[OperationKey(id: report.id, side: report.side)]
        let calls = report.calls - (before?.calls ?? 0)
        let refused = report.refused - (before?.refused ?? 0)
        let errors = report.errors - (before?.errors ?? 0) - refused
        // Calls with streams of messages are timed apart.
        let times = report.duration.count > 0 ? report.duration : report.streams
        return DemoTable.Row(
            interface: TerminalText.printable(report.name),
            method: TerminalText.printable(report.operation.method),
            callProtocol: report.operation.callProtocol,
            callsPerSecond: elapsed > 0 ? Double(calls) / elapsed : nil,
            errorsPerSecond: elapsed > 0 ? Double(errors) / elapsed : nil,
            refusedPerSecond: elapsed > 0 ? Double(refused) / elapsed : nil,
            p50Seconds: times.quantile(0.5),
            p99Seconds: times.quantile(0.99),
            inFlight: Int(report.inFlight),
            totalCalls: report.calls
        )
    }

    /// Shows the last numbers, with rates over all of the time: the last moment's own would say little.
    mutating func finish(_ snapshot: MetricsSnapshot) {
        (previous, previousTime) = ([:], start)
        show(snapshot)
        if isTerminal { _ = Output.write(Array(screen.farewell.utf8)) }
    }
}

extension OperationReport {
    /// The number of its calls that Weir answered itself, for a limit or a drain.
    fileprivate var refused: UInt64 {
        results.reduce(0) { $0 + ($1.outcome == .limited || $1.outcome == .drained ? $1.count : 0) }
    }
}
