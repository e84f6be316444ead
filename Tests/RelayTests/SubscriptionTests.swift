import Calls
import Foundation
import Inspection
import Policy
import Relay
import Synchronization
import Testing
import Wire

extension RelaySocketTests {
    @Suite("Watching calls", .timeLimit(.minutes(10)))
    struct WatchTests {
        /// A request with that id.
        private static func request(_ id: UInt64) -> [UInt8] {
            var frame = DubboFrames.call.request
            for place in 0..<8 { frame[4 + place] = UInt8(truncatingIfNeeded: id >> (56 - 8 * UInt64(place))) }
            return frame
        }

        /// The reply to it: each third one says that the service failed.
        private static func reply(_ id: UInt64) -> [UInt8] {
            id % 3 == 0
                ? DubboFrames.reply(id, status: 70, [0x02, 0x6e, 0x6f]) : DubboFrames.reply(id, status: 20, [0x92])
        }

        private static func call(_ id: UInt64, _ client: TestSocket, _ server: TestSocket) throws {
            let (request, reply) = (request(id), reply(id))
            try client.write(request)
            guard try server.read(exactly: request.count) == request else { throw SocketError("another request", 0) }
            try server.write(reply)
            guard try client.read(exactly: reply.count) == reply else { throw SocketError("another reply", 0) }
        }

        private static func filter(_ parameters: KeyValuePairs<String, String> = [:]) throws -> CallFilter {
            try CallFilter(parameters: parameters.map { (name: $0.key, value: $0.value) })
        }

        /// A line's fields.
        private static func objects(_ bytes: [UInt8]) throws -> [[String: Any]] {
            #expect(bytes.last == 0x0a)
            return try bytes.split(separator: 0x0a).map { line in
                try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
            }
        }

        /// Takes lines until there are `count` or no more.
        private static func take(_ count: Int, _ watch: CallSubscription) async throws -> [[String: Any]] {
            var all: [[String: Any]] = []
            while all.count < count, let lines = await watch.next() { all += try objects(lines) }
            return all
        }

        private static func ids(_ lines: [[String: Any]]) -> [Int] {
            lines.compactMap { ($0["id"] as? String).flatMap { Int($0) } }
        }

        @Test("viewers see exactly the calls that they asked for, on connections old and new", arguments: [1, 2])
        func exactly(_ workers: Int) async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener) { $0.workers = workers }
            let old = try harness.pair(listener)
            try Self.call(1, old.client, old.server)
            let all = try await harness.relay.subscribe(Self.filter())
            let failed = try await harness.relay.subscribe(Self.filter(["outcome": "error", "code": "SERVICE_*"]))
            let none = try await harness.relay.subscribe(Self.filter(["method": "no*", "min_ms": "0.001"]))
            let some = try await harness.relay.subscribe(Self.filter(["limit": "5"]))
            let new = try harness.pair(listener)
            for id in UInt64(2)...200 {
                let pair = id % 2 == 0 ? old : new
                try Self.call(id, pair.client, pair.server)
            }
            let lines = try await Self.take(199, all)
            #expect(Self.ids(lines).sorted() == Array(2...200))
            for line in lines {
                let id = try #require((line["id"] as? String).flatMap { Int($0) })
                let client = id % 2 == 0 ? old.client : new.client
                #expect(line["client"] as? String == client.localEndpoint.description)
                #expect(line["server"] as? String == listener.endpoint.description)
                #expect(line["outcome"] as? String == (id % 3 == 0 ? "server_error" : "ok"))
                #expect(line["code"] as? String == (id % 3 == 0 ? "SERVICE_ERROR" : "OK"))
                let time = try #require((line["ts"] as? String).flatMap { Double($0) })
                #expect(abs(time - Date().timeIntervalSince1970) < 60)
                #expect(line.count == 20)
            }
            #expect(Self.ids(try await Self.take(66, failed)).sorted() == Array(stride(from: 3, through: 200, by: 3)))
            let first = try await Self.take(.max, some)
            #expect(first.count == 5 && Set(Self.ids(first)).isSubset(of: Array(2...200)))
            for watch in [all, failed, none] { watch.cancel() }
            for watch in [all, failed, none, some] { #expect(await watch.next() == nil) }
            #expect(harness.relay.subscribers.droppedLines == 0)
            await harness.stop()
        }

        @Test("a viewer who takes nothing loses lines, which are counted and told; the calls go on")
        func slow() async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener)
            let (client, server) = try harness.pair(listener)
            let slow = try await harness.relay.subscribe(Self.filter())
            let other = try await harness.relay.subscribe(Self.filter(["outcome": "server_error"]))
            for id in UInt64(1)...1500 { try Self.call(id, client, server) }
            // The worker has handed over all calls when it answers.
            _ = await harness.metrics()
            let bytes = try #require(await slow.next())
            #expect(bytes.count <= CallSubscription.bufferBytes + 32)
            let lines = try Self.objects(bytes)
            let kept = lines.count - 1
            #expect(Self.ids(lines) == Array(1...kept))
            let dropped = try #require(lines.last?["dropped"] as? Int)
            #expect(dropped == 1500 - kept && dropped > 0 && lines.last?.count == 1)
            #expect(harness.relay.subscribers.droppedLines == UInt64(dropped))
            #expect(Self.ids(try await Self.take(500, other)) == Array(stride(from: 3, through: 1500, by: 3)))
            // There is room again.
            for id in UInt64(1501)...1510 { try Self.call(id, client, server) }
            #expect(Self.ids(try await Self.take(10, slow)) == Array(1501...1510))
            #expect(harness.relay.subscribers.droppedLines == UInt64(dropped))
            slow.cancel()
            other.cancel()
            await harness.stop()
        }

        /// A viewer that must be gone.
        private struct Weakly: @unchecked Sendable {
            weak var watch: CallSubscription?
        }

        @Test("viewers come and go under load, and nothing of them stays", arguments: [1, 2])
        func comeAndGo(_ workers: Int) async throws {
            let listener = try TestListener()
            let isObserved = Mutex(false)
            let harness = try Harness(
                to: listener,
                { $0.workers = workers },
                makeSession: { inspector, side in
                    isObserved.withLock { $0 = inspector.callObserver != nil }
                    return inspector.open(side: side)
                }
            )
            let (client, server) = try harness.pair(listener)
            let isOver = Atomic<Bool>(false)
            let calling = Background { () throws -> UInt64 in
                var id: UInt64 = 0
                while !isOver.load(ordering: .relaxed) {
                    id += 1
                    try Self.call(id, client, server)
                }
                return id
            }
            var watched: [Weakly] = []
            for round in 0..<100 {
                let watch = try await harness.relay.subscribe(Self.filter(round % 2 == 0 ? [:] : ["code": "OK"]))
                watched.append(Weakly(watch: watch))
                if round % 3 > 0 { #expect(await watch.next() != nil) }
                if round == 50 {
                    _ = try harness.pair(listener)
                    try await eventually("an observer") { isObserved.withLock { $0 } }
                }
                watch.cancel()
                if round % 5 == 0 { watch.cancel() }
            }
            isOver.store(true, ordering: .relaxed)
            #expect(try calling.value() > 66)
            _ = await harness.metrics()
            for _ in 0..<8 { _ = try harness.pair(listener) }
            #expect(!isObserved.withLock { $0 })
            try await eventually("every viewer is forgotten") { watched.allSatisfy { $0.watch == nil } }
            await harness.stop()
        }

        @Test("there are at most eight viewers, and who waits is told when the relay ends")
        func bounds() async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener)
            let relay = harness.relay
            var watches: [CallSubscription] = []
            for _ in 0..<CallSubscribers.maxCount { watches.append(try await relay.subscribe(Self.filter())) }
            #expect(watches.count == 8)
            await #expect(throws: CallSubscriptionError.tooMany) { try await relay.subscribe(CallFilter()) }
            watches.removeLast().cancel()
            let last = try await relay.subscribe(Self.filter())
            let waiting = Task { await last.next() }
            await harness.stop()
            #expect(await waiting.value == nil)
            for watch in watches { #expect(await watch.next() == nil) }
            await #expect(throws: CallSubscriptionError.ended) { try await relay.subscribe(CallFilter()) }
        }

        @Test("a viewer whose task is cancelled has gone")
        func cancelled() async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener)
            var waiting: [Task<[UInt8]?, Never>] = []
            for round in 0..<50 {
                let watch = try await harness.relay.subscribe(Self.filter())
                let task = Task { await watch.next() }
                if round % 2 == 0 { await Task.yield() }
                task.cancel()
                waiting.append(task)
            }
            for task in waiting { #expect(await task.value == nil) }
            await harness.stop()
        }

        @Test("lines that waited when the watch ended can still be taken")
        func rest() async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener)
            let (client, server) = try harness.pair(listener)
            let watch = try await harness.relay.subscribe(Self.filter())
            for id in UInt64(1)...3 { try Self.call(id, client, server) }
            await harness.stop()
            #expect(Self.ids(try await Self.take(.max, watch)) == [1, 2, 3])
        }
    }
}

extension TestSocket {
    /// The address that the peer sees.
    fileprivate var localEndpoint: Endpoint {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return Endpoint(ipv4: UInt32(bigEndian: address.sin_addr.s_addr), port: UInt16(bigEndian: address.sin_port))
    }
}
