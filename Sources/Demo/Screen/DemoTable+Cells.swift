extension DemoTable {
    /// Numbers for people; short enough for their columns.
    enum Cells {
        static let none = "–"

        /// `0.4`, `121.4`, `12,345`, `1.2 M`.
        static func rate(_ value: Double?) -> String {
            guard let value, value >= 0, value.isFinite else { return none }
            return value < 999.95 ? tenths(value) : shortCount(whole(value))
        }

        /// The share of errors: `0 %`, `1.9 %`, `100 %`.
        static func share(_ part: Double?, of all: Double?) -> String {
            guard let part, let all, part >= 0, all >= 0, part.isFinite, all.isFinite else { return none }
            guard part > 0 else { return "0 %" }
            let percent = all > 0 ? min(part / all, 1) * 100 : 100
            switch percent {
            case ..<0.05: return "<0.1 %"
            case ..<99.95: return tenths(percent) + " %"
            default: return "100 %"
            }
        }

        /// `870 µs`, `8.2 ms`, `1.31 s`.
        static func duration(_ seconds: Double?) -> String {
            guard let seconds, seconds >= 0, seconds.isFinite else { return none }
            switch seconds {
            case ..<0.000_999_5: return "\(whole(seconds * 1e6)) µs"
            case ..<0.099_95: return tenths(seconds * 1e3) + " ms"
            case ..<0.999_5: return "\(whole(seconds * 1e3)) ms"
            case ..<99.95: return tenths(seconds) + " s"
            case ..<9999.5: return "\(count(whole(seconds))) s"
            default: return ">2 h"
            }
        }

        /// `4,721`.
        static func count(_ value: UInt64) -> String {
            var digits = Array(String(value))
            for at in stride(from: digits.count - 3, to: 0, by: -3) { digits.insert(",", at: at) }
            return String(digits)
        }

        /// `4,721`, from a million on `1.2 M`: at most seven letters.
        static func shortCount(_ value: UInt64) -> String {
            guard value >= 1_000_000 else { return count(value) }
            var (tenths, units) = (value / 100_000, ["M", "G", "T", "P", "E"])
            while tenths >= 10_000 {
                tenths /= 1000
                units.removeFirst()
            }
            return "\(tenths / 10).\(tenths % 10) \(units.first ?? "")"
        }

        /// `0:42`, `1:02:03`.
        static func uptime(_ seconds: Double) -> String {
            let total = whole(seconds.rounded(.down))
            let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60)
            return hours > 0 ? "\(hours):\(two(minutes)):\(two(rest))" : "\(minutes):\(two(rest))"
        }

        private static func two(_ value: UInt64) -> String { value < 10 ? "0\(value)" : String(value) }

        private static func tenths(_ value: Double) -> String {
            let tenths = whole(value * 10)
            return "\(tenths / 10).\(tenths % 10)"
        }

        /// The nearest whole number; what is none becomes 0, what is too large the largest.
        private static func whole(_ value: Double) -> UInt64 {
            guard value > 0 else { return 0 }
            return value < 1e18 ? UInt64(value + 0.5) : 1_000_000_000_000_000_000
        }
    }
}
