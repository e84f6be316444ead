internal import Calls
internal import Glibc
internal import Logging
internal import Settings

/// Log lines for people or as JSON objects; see ``LogWriter``.
struct LogLines: LogHandler {
    var metadata: Logger.Metadata = [:]
    /// The writer's level, unless this logger has been given one of its own.
    var logLevel: Logger.Level {
        get { own ?? writer.level }
        set { own = newValue }
    }
    private var own: Logger.Level?
    private let format: LogFormat
    private let writer: LogWriter

    init(_ format: LogFormat, _ writer: LogWriter) {
        self.format = format
        self.writer = writer
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let more = event.metadata { all.merge(more) { $1 } }
        write(
            event.level,
            message: "\(event.message)",
            fields: all.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        )
        let untold = writer.takeUntold()
        if untold > 0 { write(.warning, message: "log lines were dropped", fields: [("count", "\(untold)")]) }
    }

    private func write(_ level: Logger.Level, message: String, fields: [(String, String)]) {
        let line =
            format == .json
            ? jsonLine(level, message: message, fields: fields) : textLine(level, message: message, fields: fields)
        writer.write(line + "\n")
    }

    private func textLine(_ level: Logger.Level, message: String, fields: [(String, String)]) -> String {
        fields.reduce("\(Output.timestamp()) \(level) \(message)") { "\($0) \($1.0)=\(Self.shown($1.1))" }
    }

    /// A value; in quotes where it would not be one word, with quotes, backslashes and control characters escaped.
    static func shown(_ value: String) -> String {
        let isWord = value.unicodeScalars.allSatisfy { $0.value > 0x20 && !isHidden($0) && $0 != "\"" && $0 != "\\" }
        guard !isWord else { return value }
        var shown = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"", "\\":
                shown += "\\"
                shown.unicodeScalars.append(scalar)
            case "\n": shown += "\\n"
            case _ where isHidden(scalar):
                shown += "\\u{" + String(scalar.value, radix: 16) + "}"
            default: shown.unicodeScalars.append(scalar)
            }
        }
        return shown + "\""
    }

    /// True if a character is not seen where it stands: controls, line ends, and what turns the direction of writing.
    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case ..<0x20, 0x7f...0x9f, 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x206f, 0xfeff: true
        default: false
        }
    }

    private func jsonLine(_ level: Logger.Level, message: String, fields: [(String, String)]) -> String {
        var json = JSONText()
        json.beginObject()
        json.key("ts")
        json.string(Output.timestamp())
        json.key("level")
        json.string("\(level)")
        json.key("message")
        json.string(message)
        for (key, value) in fields {
            json.key(text: key)
            json.string(value)
        }
        json.endObject()
        return String(decoding: json.bytes, as: UTF8.self)
    }
}

extension LogLevel {
    /// The same as the logging library has it.
    var level: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        }
    }
}
