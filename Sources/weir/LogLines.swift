internal import Calls
internal import Glibc
internal import Logging
internal import Settings

/// Writes log lines to standard error, for people or as JSON objects.
struct LogLines: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    private let format: LogFormat

    init(_ settings: LogSettings) {
        format = settings.format
        logLevel =
            switch settings.level {
            case .trace: .trace
            case .debug: .debug
            case .info: .info
            case .notice: .notice
            case .warning: .warning
            case .error: .error
            }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let more = event.metadata { all.merge(more) { $1 } }
        let fields = all.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        let line = format == .json ? jsonLine(event, fields) : textLine(event, fields)
        Output.note(line + "\n")
    }

    private func textLine(_ event: LogEvent, _ fields: [(String, String)]) -> String {
        var line = "\(Output.timestamp()) \(event.level) \(event.message)"
        for (key, value) in fields {
            line += " \(key)=" + (value.contains { $0 == " " || $0 == "\"" } ? "\"\(value)\"" : value)
        }
        return line
    }

    private func jsonLine(_ event: LogEvent, _ fields: [(String, String)]) -> String {
        var json = JSONText()
        json.beginObject()
        json.key("ts")
        json.string(Output.timestamp())
        json.key("level")
        json.string("\(event.level)")
        json.key("message")
        json.string("\(event.message)")
        for (key, value) in fields {
            json.key(text: key)
            json.string(value)
        }
        json.endObject()
        return String(decoding: json.bytes, as: UTF8.self)
    }
}
