internal import Calls

/// Prints lines as they come: as they are, or for people.
final class TapOutput {
    private static let newline = UInt8(ascii: "\n")

    private var view: TapView?
    /// True if the answer is there.
    private(set) var hasBegun = false
    /// True if the reader of standard output has gone.
    private(set) var isReaderGone = false
    /// The calls printed.
    private(set) var calls: UInt64 = 0

    init(isForPeople: Bool) { view = isForPeople ? TapView(hasColours: TapTerminal.hasColours) : nil }

    /// Says that calls will be shown from now on, for there may be none for long.
    func begin() {
        hasBegun = true
        if view != nil, Output.isErrorTerminal { Output.note("watching calls; Ctrl-C ends\n") }
    }

    /// Takes the whole lines from the front of `bytes` and prints them.
    ///
    /// - Returns: True if the reader is still there.
    func write(linesOf bytes: inout [UInt8]) -> Bool {
        guard let last = bytes.lastIndex(of: Self.newline) else { return true }
        var text: [UInt8] = []
        for line in bytes[...last].split(separator: Self.newline) {
            let fields = TapLine(line)
            if fields?["dropped"] == nil { calls += 1 }
            if view == nil {
                text += line
                text.append(Self.newline)
            } else if let shown = fields.flatMap({ view?.line($0) }) {
                text += Array(shown.utf8)
            }
        }
        bytes.removeSubrange(...last)
        isReaderGone = !Output.write(text)
        return !isReaderGone
    }
}

/// A line a call for people.
struct TapView {
    /// The columns whose width is not known before; what is wider than the last number pushes its line to the right.
    private struct Widths {
        var name = (now: 32, most: 60)
        var outcome = (now: 8, most: 28)
        var bytes = (now: 12, most: 20)
        var caller = (now: 0, most: 20)
    }

    private enum Colour: String {
        case red = "31"
        case green = "32"
        case yellow = "33"
        case faint = "2"
    }

    private let hasColours: Bool
    private var widths = Widths()

    init(hasColours: Bool) { self.hasColours = hasColours }

    /// A call's line; `nil` for what is no call.
    mutating func line(_ fields: TapLine) -> String? {
        if let dropped = fields["dropped"] {
            let count = TerminalText.printable(dropped)
            return coloured("… \(count) calls are missing here: they came too fast", .faint) + "\n"
        }
        guard let outcome = fields["outcome"] else { return nil }
        func field(_ name: String) -> String { TerminalText.printable(fields[name] ?? "") }
        let name = "\(field("interface")).\(field("method"))"
        let code = field("code")
        // "ok" says all there is to say about the code OK.
        let result = code.isEmpty || outcome == "ok" && code == "OK" ? field("outcome") : "\(field("outcome"))/\(code)"
        let duration = Self.duration(field("duration_us"))
        let cells = [
            coloured(TapClock.time(fields["ts"] ?? "") ?? field("ts"), .faint),
            Self.padded(field("side"), 8),
            Self.column(name, &widths.name),
            coloured(Self.column(result, &widths.outcome), Self.colour(of: outcome)),
            String(repeating: " ", count: max(0, 8 - duration.count)) + duration,
            Self.column("\(field("request_bytes")) → \(field("response_bytes")) B", &widths.bytes),
            Self.column(field("caller"), &widths.caller),
            field("client"),
        ]
        let exception = field("exception")
        return cells.joined(separator: "  ") + (exception.isEmpty ? "" : "  " + exception) + "\n"
    }

    /// The text, as wide as the column's widest so far.
    private static func column(_ text: String, _ width: inout (now: Int, most: Int)) -> String {
        width.now = max(width.now, min(text.count, width.most))
        return padded(text, width.now)
    }

    private static func colour(of outcome: String) -> Colour {
        switch outcome {
        case "ok": .green
        case "oneway", "cancelled", "unknown": .faint
        case "business_error", "client_error", "limited", "drained": .yellow
        default: .red
        }
    }

    private func coloured(_ text: String, _ colour: Colour) -> String {
        hasColours ? "\u{1b}[\(colour.rawValue)m\(text)\u{1b}[0m" : text
    }

    /// `870 µs`, `8.2 ms`, `1.3 s`.
    private static func duration(_ microseconds: String) -> String {
        guard let value = UInt64(microseconds) else { return microseconds }
        switch value {
        case ..<1000: return "\(value) µs"
        case ..<1_000_000: return "\(value / 1000).\(value / 100 % 10) ms"
        default: return "\(value / 1_000_000).\(value / 100_000 % 10) s"
        }
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
