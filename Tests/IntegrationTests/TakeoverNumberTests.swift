import Foundation
import Synchronization
import Testing

extension Integration {
    /// What a Weir shows of the processes that it took over from.
    @Suite(.serialized) struct TakeoverNumberTests {
        @Test("In ten takeovers nothing that is counted goes back, and in the end every call was counted once")
        func tenInARow() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let family = try TakeoverFamily(provider)
            var all = [try family.start()]
            let scraper = Scraper(family.admin)
            scraper.start()
            var open: [Connection] = []
            var calls = 0
            for number in 1...10 {
                // Of each process connections stay.
                open.append(try Connection(to: family.listen))
                for _ in 0..<5 { try Self.call(open, &calls) }
                all.append(try family.start("--takeover"))
                let before = all[number - 1].process
                try eventually("it is taken over") { before.errorText.contains("another process has taken over") }
                try Self.call(open, &calls)
                try all[number].metrics("all calls") { $0.sum("weir_calls_total") == calls }
            }
            #expect(all.allSatisfy { $0.process.isRunning() })
            let newest = all[10]
            try newest.metrics("open") { $0.sum("weir_open_connections") == open.count }
            // The old processes end one after the other.
            while !open.isEmpty {
                try Self.call(open, &calls)
                open.removeFirst().close()
                let process = all.removeFirst().process
                #expect(try process.wait() == .exited(0), "\(process.errorText)")
                try newest.metrics("all calls") { $0.sum("weir_calls_total") == calls }
            }
            try newest.metrics("none open") { $0.sum("weir_open_connections") == 0 }
            let last = try family.start("--takeover")
            #expect(try last.metrics().sum("weir_calls_total") == calls)
            let found = scraper.stop()
            #expect(found.problems.isEmpty && found.pages > 20, "\(found)")
            #expect(try newest.process.wait() == .exited(0))
            #expect(try last.stop() == .exited(0))
        }

        @Test("Of a process that was killed what it said last stays, through further takeovers")
        func killed() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let family = try TakeoverFamily(provider)
            let old = try family.start()
            let open = [try Connection(to: family.listen)]
            var calls = 0
            try Self.call(open, &calls)
            let new = try family.start("--takeover")
            try eventually("it is taken over") { old.process.errorText.contains("another process has taken over") }
            for _ in 0..<20 { try Self.call(open, &calls) }
            let before = try new.metrics("all calls") { $0.sum("weir_calls_total") == calls }
            #expect(before.sum("weir_open_connections") == 1)
            old.process.send(SIGKILL)
            #expect(try old.process.wait() == .killed(signal: SIGKILL))
            let after = try new.metrics("no connection") { $0.sum("weir_open_connections") == 0 }
            #expect(after.sum("weir_calls_total") == calls)
            let last = try family.start("--takeover")
            #expect(try last.metrics().sum("weir_calls_total") == calls)
            #expect(try new.process.wait() == .exited(0))
            #expect(try last.stop() == .exited(0))
        }

        @Test("One whose successor was killed reports to the process that comes then")
        func orphan() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let family = try TakeoverFamily(provider)
            let old = try family.start()
            let open = [try Connection(to: family.listen)]
            var calls = 0
            try Self.call(open, &calls)
            let new = try family.start("--takeover")
            try eventually("it is taken over") { old.process.errorText.contains("another process has taken over") }
            new.process.send(SIGKILL)
            #expect(try new.process.wait() == .killed(signal: SIGKILL))
            try Self.call(open, &calls)
            let next = try family.start("--takeover")
            #expect(next.process.errorText.contains("no process to take over from"))
            try Self.call(open, &calls)
            try next.metrics("all calls") { $0.sum("weir_calls_total") == calls }
            try #require(open.first).close()
            #expect(try old.process.wait() == .exited(0))
            #expect(try next.metrics().sum("weir_calls_total") == calls)
            #expect(try next.stop() == .exited(0))
        }

        private static func call(_ connections: [Connection], _ calls: inout Int) throws {
            for connection in connections {
                calls += 1
                try connection.call(UInt64(calls))
            }
        }
    }

    /// Asks for the metrics again and again, over connections that it keeps as long as it may, and looks whether anything
    /// goes back.
    private final class Scraper: Sendable {
        struct Found {
            var pages = 0
            var problems: [String] = []
        }

        private let admin: Address
        private let isOver = Atomic(false)
        private let group = DispatchGroup()
        private let found = Mutex(Found())

        init(_ admin: Address) { self.admin = admin }

        func start() {
            group.enter()
            Thread.detachNewThread { [self] in
                var last: [String: Double] = [:]
                while !isOver.load(ordering: .relaxed) {
                    do {
                        try scrape(&last)
                    } catch {
                        found.withLock { $0.problems.append("\(error)") }
                    }
                    usleep(10_000)
                }
                group.leave()
            }
        }

        private func scrape(_ last: inout [String: Double]) throws {
            let page = try HTTPAnswer.get("/metrics", from: admin)
            guard page.status == 200 else { throw Failure("status \(page.status)") }
            found.withLock { $0.pages += 1 }
            let now = try Metrics(text: page.text).samples.filter { sample in
                ["_total", "_bucket", "_sum", "_count"].contains { sample.name.hasSuffix($0) }
            }
            let pairs = now.map { sample in
                let labels = sample.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
                return ("\(sample.name){\(labels.joined(separator: ","))}", sample.value)
            }
            let values = Dictionary(uniqueKeysWithValues: pairs)
            for (name, value) in last where (values[name] ?? -1) < value {
                let text = "\(name): \(value), then \(values[name].map { "\($0)" } ?? "nothing")"
                found.withLock { $0.problems.append(text) }
            }
            last = values
        }

        func stop() -> Found {
            isOver.store(true, ordering: .relaxed)
            group.wait()
            return found.withLock { $0 }
        }
    }
}

/// Processes on the same addresses.
struct TakeoverFamily {
    let listen: Address
    let admin: Address
    let options: [String]

    init(_ provider: EchoProvider, _ more: [String] = []) throws {
        listen = Address.loopback(try Listener.freePort())
        admin = Address.loopback(try Listener.freePort())
        options =
            [
                "--upstream", provider.address.description, "--listen", listen.description, "--admin",
                admin.description, "--set", "drain.grace=300ms", "--workers", "1",
            ] + more
    }

    func start(_ more: String...) throws -> WeirProcess { try WeirProcess(options + more) }
}
