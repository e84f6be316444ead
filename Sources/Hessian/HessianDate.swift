/// A formatter for the milliseconds of a Hessian date.
enum HessianDate {
    /// The text of a point in time.
    ///
    /// The days are counted in eras of 400 years that begin on 1 March, so that a leap day ends its year; see Howard
    /// Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    ///
    /// - Parameter milliseconds: Since 1970-01-01T00:00Z.
    /// - Returns: ISO 8601 with milliseconds, in UTC; outside of the years 0 to 9999 the bare milliseconds.
    static func text(_ milliseconds: Int64) -> String {
        guard milliseconds >= -62_167_219_200_000, milliseconds < 253_402_300_800_000 else { return "\(milliseconds)" }
        // From 0000-03-01 less an era: positive for every day of the range.
        let days = milliseconds.floored(by: 86_400_000) + 719_468 + 146_097
        let time = milliseconds - milliseconds.floored(by: 86_400_000) * 86_400_000
        let era = days / 146_097
        let dayOfEra = days % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        let year = yearOfEra + (era - 1) * 400 + (month <= 2 ? 1 : 0)
        return padded(year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2) + "T" + padded(time / 3_600_000, 2) + ":"
            + padded(time / 60_000 % 60, 2) + ":" + padded(time / 1000 % 60, 2) + "." + padded(time % 1000, 3) + "Z"
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

extension Int64 {
    /// The quotient rounded down, where `/` rounds towards zero.
    fileprivate func floored(by divisor: Int64) -> Int64 {
        self / divisor - (self % divisor < 0 ? 1 : 0)
    }
}
