internal import Calls

extension DemoTable {
    /// The columns that fit a width, with the width of each.
    struct Layout {
        private enum Column: CaseIterable {
            case callProtocol, rate, bar, errors, refused, p50, p99, inFlight, total

            var title: String {
                switch self {
                case .callProtocol: "VIA"
                case .rate: "CALLS/S"
                case .bar: ""
                case .errors: "ERRORS"
                case .refused: "REFUSED"
                case .p50: "P50"
                case .p99: "P99"
                case .inFlight: "IN FLIGHT"
                case .total: "TOTAL"
                }
            }

            /// The number of letters it needs; ``bar`` takes more if there is room.
            var width: Int {
                switch self {
                case .bar: 5
                case .errors: 6
                case .callProtocol, .rate, .refused, .p50, .p99, .total: 7
                case .inFlight: 9
                }
            }

            /// The space in front of it.
            var gap: Int { self == .bar ? 1 : Layout.gap }

            /// The order in which columns go when the terminal is narrow.
            static let dispensable: [Column] = [.bar, .inFlight, .total, .callProtocol, .refused, .p50]
        }

        /// Between columns.
        private static let gap = 2
        /// The number of package parts that are cut to a letter before a column is dropped.
        private static let preferredParts = 3
        /// Letters that an interface keeps at least, rather than a column.
        private static let leastInterface = 28
        private static let longestBar = 11

        private let columns: [Column]
        private let interfaceWidth: Int
        private let methodWidth: Int
        private let barWidth: Int
        /// The number of leading package parts of all interfaces that are cut to a letter.
        private let shortenedParts: Int
        private let highestRate: Double

        init(_ rows: [Row], width: Int) {
            /// The longest interface with `parts` of its package cut to a letter.
            func longest(_ parts: Int) -> Int { rows.map { $0.interface.shortInterface(parts).count }.max() ?? 0 }
            let method = min(max(rows.map(\.method.count).max() ?? 0, 6), max(10, width / 5))
            func room(_ columns: [Column]) -> Int {
                columns.reduce(width - 1 - Self.gap - method) { $0 - $1.width - $1.gap }
            }
            let least = min(Self.leastInterface, max(longest(Self.preferredParts), 9))
            var columns = Column.allCases
            if rows.allSatisfy({ $0.refusedPerSecond == nil }) { columns.removeAll { $0 == .refused } }
            for column in Column.dispensable where room(columns) < least { columns.removeAll { $0 == column } }
            let left = max(1, room(columns))
            // The fewest parts that let every interface fit; past them the rest is cut on the left.
            shortenedParts = (0...8).first { longest($0) <= left } ?? 8
            interfaceWidth = min(max(longest(shortenedParts), 9), left)
            barWidth = min(Column.bar.width + left - interfaceWidth, Self.longestBar)
            methodWidth = method
            self.columns = columns
            highestRate = rows.compactMap(\.callsPerSecond).filter(\.isFinite).max() ?? 0
        }

        /// The width of a line.
        var width: Int {
            columns.reduce(1 + interfaceWidth + Self.gap + methodWidth) { $0 + $1.gap + width(of: $1) }
        }

        private func width(of column: Column) -> Int { column == .bar ? barWidth : column.width }

        var heading: String {
            var text = " " + left("INTERFACE", interfaceWidth) + spaces(Self.gap) + left("METHOD", methodWidth)
            for column in columns {
                let (title, width) = (column.title, width(of: column))
                text += spaces(column.gap) + (column == .callProtocol ? left(title, width) : right(title, width))
            }
            return text
        }

        func line(_ row: Row, _ paint: Paint) -> String {
            var text = " " + interface(row.interface, paint) + spaces(Self.gap)
            text += left(DemoTable.fitted(row.method, to: methodWidth), methodWidth)
            for column in columns { text += spaces(column.gap) + cell(column, row: row, paint: paint) }
            return text
        }

        private func cell(_ column: Column, row: Row, paint: Paint) -> String {
            let width = width(of: column)
            switch column {
            case .callProtocol: return paint.faint(left(row.callProtocol.label.description, width))
            case .rate: return paint.strong(right(Cells.rate(row.callsPerSecond), width))
            case .bar: return paint.bar(left(bar(row), width))
            case .errors:
                let share = Cells.share(row.errorsPerSecond, of: row.callsPerSecond)
                return errors(right(share, width), row: row, paint: paint)
            case .refused:
                let share = right(Cells.share(row.refusedPerSecond, of: row.callsPerSecond), width)
                return (row.refusedPerSecond ?? 0) > 0 ? paint.warning(share) : paint.faint(share)
            case .p50: return right(Cells.duration(row.p50Seconds), width)
            case .p99: return right(Cells.duration(row.p99Seconds), width)
            case .inFlight:
                let number = right(Cells.shortCount(UInt64(max(0, row.inFlight))), width)
                return row.inFlight <= 0 ? paint.faint(number) : number
            case .total: return paint.faint(right(Cells.shortCount(row.totalCalls), width))
            }
        }

        /// Errors: none faint, some yellow, one in twenty and more red.
        private func errors(_ share: String, row: Row, paint: Paint) -> String {
            let (errors, calls) = (row.errorsPerSecond ?? 0, row.callsPerSecond ?? 0)
            if errors <= 0 { return paint.faint(share) }
            return errors * 20 >= calls ? paint.alarm(share) : paint.warning(share)
        }

        /// The package faint, the class's own name not.
        private func interface(_ name: String, _ paint: Paint) -> String {
            var text = name.shortInterface(shortenedParts)
            if text.count > interfaceWidth { text = "…" + text.suffix(interfaceWidth - 1) }
            let own = String(text.ownName)
            let padding = spaces(max(0, interfaceWidth - text.count))
            return paint.faint(String(text.prefix(text.count - own.count))) + paint.name(own) + padding
        }

        /// A bar as long as the row's rate is to the highest, in eighths of a letter.
        private func bar(_ row: Row) -> String {
            guard highestRate > 0, let rate = row.callsPerSecond, rate > 0, rate.isFinite else { return "" }
            let eighths = max(1, Int(rate / highestRate * Double(8 * barWidth) + 0.5))
            let part = eighths % 8
            let tail = part == 0 ? "" : String(["▏", "▎", "▍", "▌", "▋", "▊", "▉"][part - 1])
            return String(repeating: "█", count: eighths / 8) + tail
        }

        private func left(_ text: String, _ width: Int) -> String { text + spaces(width - text.count) }
        private func right(_ text: String, _ width: Int) -> String { spaces(width - text.count) + text }
        private func spaces(_ count: Int) -> String { String(repeating: " ", count: max(0, count)) }
    }

    /// ANSI colours, or none.
    ///
    /// Only the sixteen that every terminal has, so that its own theme decides.
    struct Paint {
        let isOn: Bool

        func title(_ text: String) -> String { wrapped(text, "1;36") }
        func strong(_ text: String) -> String { wrapped(text, "1") }
        func name(_ text: String) -> String { wrapped(text, "36") }
        func bar(_ text: String) -> String { wrapped(text, "32") }
        func warning(_ text: String) -> String { wrapped(text, "33") }
        func alarm(_ text: String) -> String { wrapped(text, "1;31") }
        func faint(_ text: String) -> String { wrapped(text, "2") }

        private func wrapped(_ text: String, _ code: String) -> String {
            isOn && !text.isEmpty ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
        }
    }
}

extension String {
    /// An interface with the first `count` parts of its package cut to a letter: `c.e.shop.OrderService`.
    ///
    /// A group in front (`group/`) and a version behind (`:1.0.0`) stay whole.
    func shortInterface(_ count: Int) -> String {
        let group = lastIndex(of: "/").map { self[...$0] } ?? ""
        let behind = self[group.endIndex...]
        let version = behind.firstIndex(of: ":").map { behind[$0...] } ?? ""
        let name = version.isEmpty ? behind : behind[..<version.startIndex]
        var parts = name.split(separator: ".", omittingEmptySubsequences: false)
        for index in parts.indices.dropLast().prefix(count) { parts[index] = parts[index].prefix(1) }
        return group + parts.joined(separator: ".") + version
    }

    /// The part of an interface after its package: the class's own name, with its version.
    fileprivate var ownName: Substring {
        let end = firstIndex(of: ":") ?? endIndex
        let start = self[..<end].lastIndex { $0 == "." || $0 == "/" }
        return start.map { self[index(after: $0)...] } ?? self[...]
    }
}
