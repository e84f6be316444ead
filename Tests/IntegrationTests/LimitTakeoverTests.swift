import Foundation
import Testing

extension Integration {
    /// Limits have one owner at any time, however many processes have connections.
    @Suite(.serialized, .timeLimit(.minutes(10))) struct LimitTakeoverTests {
        private static func limit(_ name: String, _ count: Int) -> String {
            "limits: [{name: \(name), match: {interface: demo.Greeter}, limit: \(count), window: 1h}]\n"
        }

        /// Connections that stay with the process that accepted them, and others that come to the newest.
        private struct Loads {
            let all: [LimitTests.Load]

            init(_ address: Address) {
                all = [
                    LimitTests.Load(address, connections: 3),
                    LimitTests.Load(address, connections: 3, callsPerConnection: 7),
                ]
                for load in all { load.start() }
            }

            var sofar: LimitTests.Load.Counts { Self.sum(all.map(\.sofar)) }
            func stop() -> LimitTests.Load.Counts { Self.sum(all.map { $0.stop() }) }

            private static func sum(_ counts: [LimitTests.Load.Counts]) -> LimitTests.Load.Counts {
                counts.reduce(into: LimitTests.Load.Counts()) {
                    $0.passed += $1.passed
                    $0.refused += $1.refused
                    $0.failed += $1.failed
                }
            }
        }

        @Test("Over five takeovers under load exactly as many calls pass as a limit says, and each is counted once")
        func files() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let folder = try TemporaryFolder()
            let config = try folder.file("weir.yaml", text: "limits: [limits.yaml]\n")
            _ = try folder.file("limits.yaml", text: Self.limit("hello", 100_000))
            let family = try TakeoverFamily(provider)
            var all = [try family.start("--config", config)]
            let loads = Loads(family.listen)
            try eventually("calls") { loads.sofar.passed > 200 }
            for number in 0..<5 {
                all.append(try family.start("--config", config, "--takeover"))
                let before = all[number].process
                try eventually("it is taken over") { before.errorText.contains("another process has taken over") }
                let passed = loads.sofar.passed
                try eventually("more calls") { loads.sofar.passed > passed + 200 }
            }
            let newest = all[5]
            let counts = loads.stop()
            #expect(counts.failed == 0 && counts.refused == 0, "\(counts)")
            try newest.metrics("each once") {
                $0.sum("weir_limit_decisions_total", ["decision": "allowed"]) == counts.passed
                    && $0.sum("weir_calls_total", ["outcome": "ok"]) == counts.passed
            }
            #expect(try newest.stop() == .exited(0))
        }

        @Test("When the newest process is killed the old ones decide in the windows of the one that comes then")
        func killed() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let folder = try TemporaryFolder()
            let config = try folder.file("weir.yaml", text: "limits: [limits.yaml]\n")
            _ = try folder.file("limits.yaml", text: Self.limit("few", 50))
            let family = try TakeoverFamily(provider)
            var all = [try family.start("--config", config)]
            var open: [Connection] = []
            for number in 0..<2 {
                open.append(try Connection(to: family.listen))
                try open[number].call(1)
                all.append(try family.start("--config", config, "--takeover"))
                let before = all[number].process
                try eventually("it is taken over") { before.errorText.contains("another process has taken over") }
            }
            func told() -> [Int] {
                all[..<2].map { $0.process.errorLines.count { $0.contains("limits are the successor's") } }
            }
            try eventually("both have the limits of the newest") { told()[0] >= 2 && told()[1] >= 1 }
            all[2].process.send(SIGKILL)
            #expect(try all[2].process.wait() == .killed(signal: SIGKILL))
            let before = told()
            let last = try family.start("--config", config, "--takeover")
            open.append(try Connection(to: family.listen))
            try eventually("both have the limits of the newest") { zip(told(), before).allSatisfy { $0 > $1 } }
            var statuses: [UInt8] = []
            for id in 10..<40 as Range<UInt64> {
                for connection in open {
                    try connection.write(DubboBytes.request(id))
                    statuses.append(try connection.readFrame()[3])
                }
            }
            #expect(statuses.count { $0 == 20 } == 50 && statuses.count { $0 == 100 } == 40)
            let metrics = try last.metrics("each once") {
                $0.sum("weir_limit_decisions_total", ["decision": "rejected"]) == 40
            }
            #expect(metrics.sum("weir_limit_decisions_total", ["decision": "allowed"]) == 50)
            #expect(try last.stop() == .exited(0))
        }

        @Test("A limit that is used up during a takeover lets no call more pass", arguments: [true, false])
        func usedUp(_ isFromFile: Bool) throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let folder = try TemporaryFolder()
            let config = try folder.file("weir.yaml", text: "limits: [limits.yaml]\n")
            let count = 3000
            _ = try folder.file("limits.yaml", text: isFromFile ? Self.limit("few", count) : "limits: []\n")
            let family = try TakeoverFamily(provider)
            var all = [try family.start("--config", config)]
            if !isFromFile { #expect(try all[0].ask("PUT", "/v1/limits", Self.limit("few", count)).status == 200) }
            let loads = Loads(family.listen)
            for number in 0..<3 {
                all.append(try family.start("--config", config, "--takeover"))
                let before = all[number].process
                try eventually("it is taken over") { before.errorText.contains("another process has taken over") }
            }
            let newest = all[3]
            try eventually("the limit is met again and again") { loads.sofar.refused > 500 }
            let counts = loads.stop()
            #expect(counts.failed == 0 && counts.passed == count, "\(counts)")
            let from = isFromFile ? "files" : "api, until the next reload"
            #expect(try newest.get("/v1/limits").text.contains("\"from\":\"\(from)\""))
            try newest.metrics("each once") {
                $0.sum("weir_limit_decisions_total", ["decision": "allowed"]) == count
                    && $0.sum("weir_limit_decisions_total", ["decision": "rejected"]) == counts.refused
            }
            #expect(try newest.stop() == .exited(0))
        }
    }
}
