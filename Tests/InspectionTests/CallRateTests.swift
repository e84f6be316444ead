#if DEBUG
    import Testing

    @testable import Inspection

    @Suite struct CallRateTests {
        private static let second: UInt64 = 1_000_000_000
        private static let minute = 60 * second

        /// A connection since second 1,000 that makes so many calls a second, noted every ten seconds.
        private struct Connection {
            var times = CallMarkTimes()
            var marks = CallMarks()
            var calls: UInt64 = 0
            var now = 1000 * second

            /// Calls for so many seconds; nothing is noted while nothing is called.
            mutating func run(_ seconds: Int, _ rate: UInt64) {
                for _ in 0..<seconds {
                    now += second
                    calls += rate
                    if rate > 0 { times.isStale = true }
                    guard times.isStale, now >= times.next else { continue }
                    marks.note(calls, at: times.begin(now))
                }
            }

            func rate(_ window: UInt64) -> Double {
                times.rate(of: marks, calls: calls, since: 1000 * second, over: window, now: now)
            }
        }

        @Test(
            "a steady rate is what it is, from the first second to many minutes",
            arguments: [1, 7, 59, 61, 75, 1000]
        )
        func steady(seconds: Int) {
            var connection = Connection()
            connection.run(seconds, 20)
            #expect(abs(connection.rate(Self.minute) - 20) < 0.5 && abs(connection.rate(5 * Self.second) - 20) < 0.5)
        }

        @Test("the last minute counts, and what was before it does not")
        func ended() {
            var connection = Connection()
            connection.run(500, 100)
            connection.run(20, 0)
            #expect(connection.rate(5 * Self.second) == 0)
            #expect((50...75).contains(connection.rate(Self.minute)))
            connection.run(60, 0)
            #expect(connection.rate(Self.minute) < 5)
            connection.run(600, 0)
            #expect(connection.rate(Self.minute) == 0)
            connection.run(30, 100)
            #expect((45...55).contains(connection.rate(Self.minute)))
            #expect(abs(connection.rate(5 * Self.second) - 100) < 1)
        }

        @Test("counters beyond 32 bits")
        func wrap() {
            var connection = Connection()
            connection.calls = UInt64(UInt32.max) - 1000
            connection.run(120, 50)
            #expect(abs(connection.rate(Self.minute) - 50) < 1)
        }
    }
#endif
