internal import Glibc

/// The time of a response's header `Date` (RFC 9110 §5.6.7).
enum HTTPDate {
    /// The time now.
    static var now: String { text(time(nil)) }

    /// A time in seconds since 1970.
    static func text(_ seconds: time_t) -> String {
        var seconds = seconds
        var parts = unsafe tm()
        var text = [CChar](repeating: 0, count: 32)
        // SAFETY: each call fills the one structure or the buffer whose size it is told.
        _ = unsafe gmtime_r(&seconds, &parts)
        // The names of days and months are English: the process never leaves the C locale.
        let count = unsafe strftime(&text, text.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
