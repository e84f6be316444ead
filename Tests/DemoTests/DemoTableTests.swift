import Calls
import TestSupport
import Testing

@testable import Demo

@Suite struct DemoTableTests {
    static let header = DemoTable.Header(
        route: "shop-web, mobile-gateway, batch ─▶ weir 127.0.0.1:16006 ─▶ provider 127.0.0.1:20880",
        footer: "Ctrl-C stops   metrics http://127.0.0.1:16080/metrics",
        uptimeSeconds: 42.9,
        connections: 4,
        inFlight: 9,
        totalCalls: 16_842,
        callsPerSecond: 402.31,
        errorsPerSecond: 7.6
    )

    static let rows = [
        row("com.example.shop.InventoryService", "stock", 97.5, 0.9, 0.0067, 0.0121, 1, 4098),
        row("com.example.shop.OrderService", "findOrder", 121.4, 0, 0.0082, 0.0291, 2, 1_204_210),
        row("com.example.shop.OrderService", "placeOrder", 40.25, 2.1, 0.000_87, 0.101, 3, 1777),
        row("com.example.user.UserService", "track", 32, 0, nil, nil, 0, 1203),
    ]

    static func row(
        _ interface: String,
        _ method: String,
        _ calls: Double?,
        _ errors: Double?,
        _ p50: Double?,
        _ p99: Double?,
        _ inFlight: Int,
        _ total: UInt64
    ) -> DemoTable.Row {
        DemoTable.Row(
            interface: interface,
            method: method,
            callProtocol: interface.contains("User") ? .jsonrpc : interface.contains("Inv") ? .triple : .dubbo,
            callsPerSecond: calls,
            errorsPerSecond: errors,
            p50Seconds: p50,
            p99Seconds: p99,
            inFlight: inFlight,
            totalCalls: total
        )
    }

    // MARK: Snapshots

    @Test("a hundred columns: packages are shortened, the busiest comes first")
    func hundred() {
        let text = DemoTable.render(header: Self.header, rows: Self.rows, width: 100, height: 24, colour: false)
        #expect(text == Self.hundredColumns)
    }

    @Test("a wide terminal: whole names and longer bars")
    func wide() {
        let text = DemoTable.render(header: Self.header, rows: Self.rows, width: 130, height: 24, colour: false)
        #expect(text == Self.wideColumns)
    }

    @Test("a narrow and low terminal: fewer columns, and how many rows are missing")
    func narrow() {
        let text = DemoTable.render(header: Self.header, rows: Self.rows, width: 60, height: 8, colour: false)
        #expect(text == Self.narrowColumns)
        let less = DemoTable.render(
            header: Self.header,
            rows: Self.rows + Self.rows,
            width: 60,
            height: 8,
            colour: false
        )
        #expect(less.split(separator: "\n").last == " … 5 more")
    }

    @Test("the first frame has no rates yet, and begins without rows")
    func first() {
        var header = Self.header
        (header.callsPerSecond, header.errorsPerSecond, header.route, header.footer) = (nil, nil, "", "")
        (header.uptimeSeconds, header.totalCalls) = (3723, 0)
        let empty = DemoTable.render(header: header, rows: [], width: 80, height: 24, colour: false)
        #expect(empty == Self.emptyTable)
        let rows = Self.rows.map { Self.row($0.interface, $0.method, nil, nil, nil, nil, 0, $0.totalCalls) }
        let text = DemoTable.render(header: header, rows: rows, width: 85, height: 24, colour: false)
        let lines = text.split(separator: "\n")
        #expect(lines[4] == " c.e.shop.OrderService      findOrder   dubbo          –       –        –        –")
    }

    @Test("colours: none unless asked, and taking them away leaves the plain table")
    func colours() {
        let plain = DemoTable.render(header: Self.header, rows: Self.rows, width: 100, height: 24, colour: false)
        let coloured = DemoTable.render(header: Self.header, rows: Self.rows, width: 100, height: 24, colour: true)
        #expect(!plain.contains("\u{1b}"))
        #expect(coloured.contains("\u{1b}[2mc.e.s.\u{1b}[0m\u{1b}[36mOrderService\u{1b}[0m"))
        // More than one error in twenty is red, fewer are yellow.
        #expect(coloured.contains("\u{1b}[1;31m 5.2 %\u{1b}[0m"))
        #expect(coloured.contains("\u{1b}[33m 0.9 %\u{1b}[0m"))
        #expect(coloured.replacing(/\u{1b}\[[0-9;]*m/, with: "") == plain)
    }

    @Test("one plain line where there is no terminal")
    func plainLine() {
        #expect(
            DemoTable.plainLine(header: Self.header, rows: Self.rows)
                == "up 0:42  402.3 calls/s  1.9 % errors  4 connections  9 in flight  16,842 calls  "
                + "busiest c.e.s.OrderService.findOrder 121.4/s (p50 8.2 ms, p99 29.1 ms)"
        )
        #expect(!DemoTable.plainLine(header: Self.header, rows: []).contains("busiest"))
    }

    // MARK: Bounds

    @Test("no line is wider than the terminal and there are never more than it has")
    func bounds() throws {
        var random = SeededRandom(seed: 21)
        for _ in 0..<1500 {
            let (width, height) = (Int.random(in: -5...220, using: &random), Int.random(in: -5...40, using: &random))
            let rows = (0..<Int.random(in: 0...30, using: &random)).map { _ in Self.anyRow(&random) }
            var header = Self.header
            if random.next() & 1 == 0 { header.footer = "" }
            header.callsPerSecond = Self.anyNumber(&random)
            header.errorsPerSecond = Self.anyNumber(&random)
            header.uptimeSeconds = Self.anyNumber(&random) ?? 0
            let text = DemoTable.render(header: header, rows: rows, width: width, height: height, colour: false)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            let widest = lines.map(\.count).max() ?? 0
            try #require(widest <= max(width, 48), "width \(width)")
            try #require(lines.count <= max(height, 8), "height \(height), \(rows.count) rows")
        }
    }

    @Test("names from the wire cannot command the terminal")
    func hostileNames() {
        let rows = [Self.row("com.\u{1b}[2Jevil\n\u{7}.A\u{202e}b", "m\u{9b}31m\r", 1, 0, 0.1, 0.1, 0, 1)]
        let text = DemoTable.render(header: Self.header, rows: rows, width: 100, height: 24, colour: false)
        #expect(text.contains("com.?[2Jevil??.A?b"))
        #expect(text.contains("m?31m?"))
        let line = DemoTable.plainLine(header: Self.header, rows: rows)
        #expect(!line.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x9b })
    }

    private static func anyRow(_ random: inout SeededRandom) -> DemoTable.Row {
        let names = [
            "com.example.shop.OrderService", "A", "", ".", "g/a.b.c.D:1.0.0", String(repeating: "long.", count: 30),
        ]
        return row(
            names.randomElement(using: &random) ?? "",
            ["m", "", "aMethodOfManyWordsThatNeverEnds", "placeOrder"].randomElement(using: &random) ?? "",
            anyNumber(&random),
            anyNumber(&random),
            anyNumber(&random),
            anyNumber(&random),
            Int.random(in: 0...99_999, using: &random),
            random.next() >> UInt64.random(in: 0...63, using: &random)
        )
    }

    private static func anyNumber(_ random: inout SeededRandom) -> Double? {
        let numbers: [Double?] = [nil, 0, 0.04, 1, 99.96, 999.96, 12_345, 654_321, -1, .nan, .infinity, 1e300, 1e-300]
        return numbers.randomElement(using: &random) ?? nil
    }
}

@Suite struct DemoTableCellTests {
    typealias Cells = DemoTable.Cells

    @Test(
        "interfaces lose packages from the left",
        arguments: [
            ("com.example.shop.OrderService", 0, "com.example.shop.OrderService"),
            ("com.example.shop.OrderService", 1, "c.example.shop.OrderService"),
            ("com.example.shop.OrderService", 2, "c.e.shop.OrderService"),
            ("com.example.shop.OrderService", 8, "c.e.s.OrderService"),
            ("warehouse/com.example.Stock:1.0.0", 8, "warehouse/c.e.Stock:1.0.0"), ("Plain", 3, "Plain"), ("", 3, ""),
            ("..", 2, ".."),
        ]
    )
    func interfaces(name: String, parts: Int, expected: String) {
        #expect(name.shortInterface(parts) == expected)
    }

    @Test(
        "durations",
        arguments: [
            (nil, "–"), (.nan, "–"), (-1, "–"), (0, "0 µs"), (0.000_87, "870 µs"), (0.000_999_4, "999 µs"),
            (0.000_999_6, "1.0 ms"), (0.0082, "8.2 ms"), (0.0994, "99.4 ms"), (0.1004, "100 ms"), (0.9994, "999 ms"),
            (0.9996, "1.0 s"), (12.34, "12.3 s"), (9999, "9,999 s"), (86_400, ">2 h"), (1e300, ">2 h"),
        ] as [(Double?, String)]
    )
    func durations(seconds: Double?, expected: String) {
        #expect(Cells.duration(seconds) == expected)
    }

    @Test("rates, shares, counts and times")
    func numbers() {
        #expect(
            [0, 0.04, 0.05, 999.94, 999.95, 12_345.6].map { Cells.rate($0) } == [
                "0.0", "0.0", "0.1", "999.9", "1,000", "12,346",
            ]
        )
        #expect(Cells.share(0, of: 0) == "0 %")
        #expect(Cells.share(0.001, of: 400) == "<0.1 %")
        #expect(Cells.share(7.6, of: 402) == "1.9 %")
        #expect(Cells.share(5, of: 5) == "100 %")
        #expect(Cells.share(nil, of: 5) == "–")
        #expect([0, 999, 1000, 16_842, 1_234_567].map(Cells.count) == ["0", "999", "1,000", "16,842", "1,234,567"])
        #expect(Cells.count(.max) == "18,446,744,073,709,551,615")
        #expect(
            [999_999, 1_000_000, 1_999_999, 12_345_678_901].map(Cells.shortCount) == [
                "999,999", "1.0 M", "1.9 M", "12.3 G",
            ]
        )
        #expect(
            [0, 59.9, 60, 3599, 3600, 90_061].map(Cells.uptime) == [
                "0:00", "0:59", "1:00", "59:59", "1:00:00", "25:01:01",
            ]
        )
    }

    @Test("a screen shows each text in the place of the one before")
    func screen() {
        var screen = DemoScreen()
        #expect(screen.show("a\nb\n") == "\u{1b}[?25la\u{1b}[K\nb\u{1b}[K\n\u{1b}[J")
        #expect(screen.show("c\n") == "\u{1b}[?25l\u{1b}[2Fc\u{1b}[K\n\u{1b}[J")
        #expect(screen.show("d\ne\n") == "\u{1b}[?25l\u{1b}[1Fd\u{1b}[K\ne\u{1b}[K\n\u{1b}[J")
        #expect(screen.farewell == "\u{1b}[?25h")
    }
}
