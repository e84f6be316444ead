public import Calls

/// The drawing of the live table of calls: a pure function from numbers to text.
///
/// Texts from the wire are made harmless: characters that could move the cursor or change colours become `?`.
public enum DemoTable {
    /// The facts above the rows.
    public struct Header: Equatable, Sendable {
        /// The first words, such as `weir demo`.
        public var title: String
        /// The peers, for the second line; empty for no such line.
        public var route: String
        /// The last line, such as how to stop; empty for none.
        public var footer: String
        /// The uptime in seconds.
        public var uptimeSeconds: Double
        /// Connections that are open.
        public var connections: Int
        /// Calls begun and not ended.
        public var inFlight: Int
        /// Calls ended since the beginning.
        public var totalCalls: UInt64
        /// Calls that ended in each second; `nil` while there is no earlier moment to compare with.
        public var callsPerSecond: Double?
        /// The calls of them that ended with an error; `nil` likewise.
        public var errorsPerSecond: Double?

        /// A header with these facts.
        public init(
            title: String = "weir demo",
            route: String = "",
            footer: String = "",
            uptimeSeconds: Double,
            connections: Int,
            inFlight: Int,
            totalCalls: UInt64,
            callsPerSecond: Double?,
            errorsPerSecond: Double?
        ) {
            self.title = title
            self.route = route
            self.footer = footer
            self.uptimeSeconds = uptimeSeconds
            self.connections = connections
            self.inFlight = inFlight
            self.totalCalls = totalCalls
            self.callsPerSecond = callsPerSecond
            self.errorsPerSecond = errorsPerSecond
        }
    }

    /// One operation.
    public struct Row: Equatable, Sendable {
        /// The interface; a group in front of it (`group/`) and a version behind it (`:1.0.0`) are left as they are.
        public var interface: String
        /// The method.
        public var method: String
        /// The protocol it is called in.
        public var callProtocol: CallProtocol
        /// Calls that ended in each second; `nil` while there is no earlier moment to compare with.
        public var callsPerSecond: Double?
        /// The calls of them that ended with an error; `nil` likewise.
        public var errorsPerSecond: Double?
        /// The further calls that Weir refused, for a limit or a drain; `nil` for a table without them.
        public var refusedPerSecond: Double?
        /// Half of the answered calls took at most this long, in seconds; `nil` for none.
        public var p50Seconds: Double?
        /// 99 of 100 answered calls took at most this long, in seconds; `nil` for none.
        public var p99Seconds: Double?
        /// Calls begun and not ended.
        public var inFlight: Int
        /// Calls ended since the beginning.
        public var totalCalls: UInt64

        /// A row of those numbers.
        public init(
            interface: String,
            method: String,
            callProtocol: CallProtocol,
            callsPerSecond: Double?,
            errorsPerSecond: Double?,
            refusedPerSecond: Double? = nil,
            p50Seconds: Double?,
            p99Seconds: Double?,
            inFlight: Int,
            totalCalls: UInt64
        ) {
            self.interface = interface
            self.method = method
            self.callProtocol = callProtocol
            self.callsPerSecond = callsPerSecond
            self.errorsPerSecond = errorsPerSecond
            self.refusedPerSecond = refusedPerSecond
            self.p50Seconds = p50Seconds
            self.p99Seconds = p99Seconds
            self.inFlight = inFlight
            self.totalCalls = totalCalls
        }
    }

    /// The narrowest and the shortest table; a smaller terminal gets this much.
    static let (minWidth, minHeight) = (48, 8)

    /// Draws a table.
    ///
    /// The busiest rows come first. A narrow width drops columns, then letters of the interfaces; rows beyond the
    /// height are counted in a line of their own.
    ///
    /// - Parameters:
    ///   - header: The facts above the rows.
    ///   - rows: The operations, in any order.
    ///   - width: The columns of the terminal.
    ///   - height: Its lines.
    ///   - colour: True to write ANSI colours.
    /// - Returns: Lines, each ended by a newline, at most `height` of them and none wider than `width`.
    public static func render(header: Header, rows: [Row], width: Int, height: Int, colour: Bool) -> String {
        let (width, height) = (min(max(width, minWidth), 400), max(height, minHeight))
        let paint = Paint(isOn: colour)
        let rows = rows.map(\.printable).sorted { ($0.rank, $1.name) > ($1.rank, $0.name) }
        // A low terminal gets rows instead of air.
        let isLow = height < 16
        let layout = Layout(rows, width: width)
        var lines = headLines(header, width: width, rightEdge: layout.width, isLow: isLow, paint: paint)
        let hasFooter = !header.footer.isEmpty && !isLow
        let footer = hasFooter ? ["", paint.faint(" " + fitted(header.footer, to: width - 1))] : []
        lines += [paint.faint(layout.heading), paint.faint(" " + String(repeating: "─", count: layout.width - 1))]
        let room = height - lines.count - footer.count
        let shown = rows.count <= room ? rows.count : max(0, room - 1)
        lines += rows.prefix(shown).map { layout.line($0, paint) }
        if rows.isEmpty { lines.append(paint.faint(" no calls yet")) }
        if shown < rows.count { lines.append(paint.faint(" … \(rows.count - shown) more")) }
        return (lines + footer).joined(separator: "\n") + "\n"
    }

    /// The same facts in one line, for output that is not a terminal.
    ///
    /// - Parameters:
    ///   - header: The numbers of the moment.
    ///   - rows: The operations, in any order; the busiest is named.
    /// - Returns: A line without a newline and without colours.
    public static func plainLine(header: Header, rows: [Row]) -> String {
        var parts = [
            "up \(Cells.uptime(header.uptimeSeconds))", "\(Cells.rate(header.callsPerSecond)) calls/s",
            "\(Cells.share(header.errorsPerSecond, of: header.callsPerSecond)) errors",
            "\(header.connections) connections", "\(header.inFlight) in flight",
            "\(Cells.count(header.totalCalls)) calls",
        ]
        if let busiest = rows.max(by: { ($0.rank, $1.name) < ($1.rank, $0.name) })?.printable {
            let name = busiest.interface.shortInterface(5) + "." + busiest.method
            let time = "p50 \(Cells.duration(busiest.p50Seconds)), p99 \(Cells.duration(busiest.p99Seconds))"
            parts.append("busiest \(name) \(Cells.rate(busiest.callsPerSecond))/s (\(time))")
        }
        return parts.joined(separator: "  ")
    }

    private static func headLines(
        _ header: Header,
        width: Int,
        rightEdge: Int,
        isLow: Bool,
        paint: Paint
    ) -> [String] {
        let uptime = "up " + Cells.uptime(header.uptimeSeconds)
        let title = fitted(header.title, to: rightEdge - uptime.count - 3)
        let gap = String(repeating: " ", count: max(1, rightEdge - 1 - title.count - uptime.count))
        var lines = [" " + paint.title(title) + gap + paint.faint(uptime)]
        if !header.route.isEmpty, !isLow { lines.append(paint.faint(" " + fitted(header.route, to: width - 1))) }
        let errors = Cells.share(header.errorsPerSecond, of: header.callsPerSecond)
        let facts: [(value: String, unit: String, isBad: Bool)] = [
            (Cells.rate(header.callsPerSecond), "calls/s", false),
            (errors, "errors", (header.errorsPerSecond ?? 0) > 0),
            (String(header.connections), "connections", false), (String(header.inFlight), "in flight", false),
            (Cells.count(header.totalCalls), "calls", false),
        ]
        var (text, used) = ("", 0)
        for fact in facts {
            let size = fact.value.count + fact.unit.count + 1 + (used == 0 ? 1 : 4)
            guard used + size <= width else { break }
            text += String(repeating: " ", count: used == 0 ? 1 : 4)
            text += (fact.isBad ? paint.warning(fact.value) : paint.strong(fact.value)) + " " + paint.faint(fact.unit)
            used += size
        }
        return lines + (isLow ? [text] : ["", text, ""])
    }

    static func fitted(_ text: String, to width: Int) -> String {
        let text = TerminalText.printable(text)
        return text.count <= width ? text : text.prefix(max(0, width - 1)) + "…"
    }
}

extension DemoTable.Row {
    /// The sort key of rows: the current rate, or the total while there is none.
    fileprivate var rank: Double { callsPerSecond ?? Double(totalCalls) }

    fileprivate var name: String { interface + "." + method }

    /// The row with names that a terminal only shows.
    fileprivate var printable: DemoTable.Row {
        var row = self
        (row.interface, row.method) = (TerminalText.printable(interface), TerminalText.printable(method))
        return row
    }
}
