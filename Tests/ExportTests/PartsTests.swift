import Calls
import Telemetry
import TestSupport
import Testing

@testable import Export

/// The small parts.
@Suite struct PartsTests {
    @Test(
        "Retry-After is seconds or a date",
        arguments: [
            ("0", 0), ("7", 7), (" 12", 12), ("300", 300), ("301", 300), ("99999999999999999999", 300),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 37), ("Sun, 06 Nov 1994 08:48:00 GMT", 0),
            ("Mon, 07 Nov 1994 08:49:37 GMT", 300), ("", nil), ("-1", nil), ("1.5", nil), ("soon", nil),
            ("Sun, 06 Foo 1994 08:49:37 GMT", nil), ("Sun, 06 Nov 1994 08:49:37 UTC", nil),
            ("Sunday, 06-Nov-94 08:49:37 GMT", nil), ("Sun, 06 Nov 1994 08:49 GMT", nil),
            (String(repeating: "1", count: 100), nil),
        ] as [(String, Int?)]
    )
    func retryAfter(_ value: String, _ seconds: Int?) {
        // 1994-11-06 08:49:00
        #expect(RetryAfter.wait(value, now: 784_111_740) == seconds.map { .seconds($0) })
    }

    @Test("dates count leap years")
    func leapYears() {
        // `date -u -d ... +%s` minus the same day's start, at the ends of Februaries.
        let starts: [(String, Int64)] = [
            ("Thu, 01 Jan 1970", 0), ("Tue, 29 Feb 2000", 951_782_400), ("Wed, 01 Mar 2000", 951_868_800),
            ("Mon, 01 Mar 2100", 4_107_542_400), ("Fri, 31 Dec 2027", 1_830_211_200),
        ]
        for (day, seconds) in starts {
            #expect(RetryAfter.wait("\(day) 00:00:10 GMT", now: seconds) == .seconds(10), "\(day)")
        }
    }

    @Test("waits double up to their limit and vary by half")
    func backoff() {
        var backoff = Backoff(initial: .milliseconds(100), max: .seconds(30))
        var limit = Duration.milliseconds(100)
        for _ in 0..<100 {
            let wait = backoff.next()
            #expect(wait >= limit / 2 && wait <= limit)
            limit = min(limit * 2, .seconds(30))
        }
        backoff.reset()
        #expect(backoff.next() <= .milliseconds(100))
    }

    @Test("SkyWalking's trace id is the second field")
    func skyWalking() {
        #expect(SkyWalkingContext.traceID("1-YQ==-x") == "a")
        #expect(SkyWalkingContext.traceID("1-YQ-x") == "a")
        #expect(SkyWalkingContext.traceID("1-YWI=") == "ab")
        #expect(SkyWalkingContext.traceID("1-YWJj") == "abc")
        #expect(SkyWalkingContext.traceID("1-/+8=-x") == "\u{fffd}\u{fffd}")
        for odd in ["", "1", "1-", "1-Y-", "1-Y=Q-", "1-Y Q-", "----"] {
            #expect(SkyWalkingContext.traceID(odd) == nil, "\(odd)")
        }
    }

    @Test("gzip has the form of RFC 1952")
    func gzip() throws {
        for count in [0, 1, 100, 1_000_000] {
            var random = SeededRandom(seed: 7)
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let compressed = try #require(Gzip.compress(bytes))
            #expect(compressed.prefix(3) == [0x1f, 0x8b, 8])
            // The last four bytes are the length of what went in.
            let length = compressed.suffix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            #expect(length == count)
        }
        #expect(try #require(Gzip.compress([UInt8](repeating: 1, count: 100_000))).count < 1_000)
    }

    @Test("a trouble is told once a minute, each kind by itself")
    func errorLog() {
        let lines = LogLines()
        let log = ErrorLog(lines.logger)
        for _ in 0..<5 {
            log.report(.unreachable, reason: "refused")
            log.report(.overflow, spans: 3)
        }
        #expect(lines.lines.count == 2)
        let impatient = ErrorLog(lines.logger, interval: .zero)
        for _ in 0..<3 { impatient.report(.refused) }
        #expect(lines.lines.count == 5)
    }

    @Test("somebody else's message is cut and cleaned")
    func excerpt() {
        #expect(TraceResponse.excerpt("a\nb") == "a b")
        #expect(TraceResponse.excerpt(String(repeating: "x", count: 1_000)).count == 200)
    }

    @Test("an answer that cannot be read says that everything was taken")
    func oddAnswer() {
        #expect(TraceResponse.answer([0xff, 0xff]) == .taken(rejected: 0, message: ""))
        // rejected_spans = -1
        #expect(
            TraceResponse.answer(hex("0a0b08ffffffffffffffffff01")) == .taken(rejected: 0, message: "")
        )
    }
}
