/// HTTP's `Retry-After`.
enum RetryAfter {
    /// The longest wait that a server can ask for.
    static let maxSeconds: Int64 = 300

    /// The time for which the server asks not to be called.
    ///
    /// - Parameters:
    ///   - value: The header's value: seconds, or a date in the form that servers have to send
    ///     (`Sun, 06 Nov 1994 08:49:37 GMT`).
    ///   - now: Seconds since 1970.
    /// - Returns: At most ``maxSeconds``; `nil` for anything else.
    ///
    /// Source: RFC 9110 §5.6.7, §10.2.3.
    static func wait(_ value: String, now: Int64) -> Duration? {
        let text = value.drop { $0 == " " }
        guard !text.isEmpty, text.utf8.count <= 64 else { return nil }
        if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            return .seconds(min(Int64(text) ?? maxSeconds, maxSeconds))
        }
        return date(text).map { .seconds(min(max($0 - now, 0), maxSeconds)) }
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Seconds since 1970 of an IMF-fixdate.
    private static func date(_ text: Substring) -> Int64? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[0].hasSuffix(","), parts[5] == "GMT" else { return nil }
        let clock = parts[4].split(separator: ":").compactMap { number($0, 0...60) }
        guard let day = number(parts[1], 1...31), let month = months.firstIndex(of: String(parts[2])),
            let year = number(parts[3], 1970...9999), clock.count == 3
        else { return nil }
        return daysSince1970(year: year, month: Int64(month) + 1, day: day) * 86_400 + clock[0] * 3_600 + clock[1] * 60
            + clock[2]
    }

    private static func number(_ text: Substring, _ range: ClosedRange<Int64>) -> Int64? {
        guard let value = Int64(text), range.contains(value) else { return nil }
        return value
    }

    /// Days of the Gregorian calendar, counted in years that begin in March, so that leap days come last.
    private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let monthFromMarch = (month + 9) % 12
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
    }
}
