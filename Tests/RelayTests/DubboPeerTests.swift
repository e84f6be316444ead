import Calls
import Foundation
import Inspection
import Policy
import Relay
import Synchronization
import TestSupport
import Testing
import Wire

extension RelaySocketTests {
    /// Consumers and a provider of which each checks every byte it gets, with limits and drains between them.
    @Suite("Dubbo peers under limits and drains", .timeLimit(.minutes(30)))
    struct DubboPeerTests {
        /// How many rounds the long form takes, if it is wanted.
        private static let rounds = ProcessInfo.processInfo.environment["WEIR_PEER_ROUNDS"].flatMap { Int($0) } ?? 0

        @Test("nothing is torn, doubled or lost on 100 connections", arguments: [UInt64(1)])
        func short(_ seed: UInt64) async throws { try await run(seed, batches: 4, sizes: DubboPeer.sizes.prefix(9)) }

        @Test("the same for long, up to 1 MiB a request", .enabled(if: rounds > 0), arguments: 0..<UInt64(rounds))
        func long(_ seed: UInt64) async throws { try await run(~seed, batches: 12, sizes: DubboPeer.sizes[...]) }

        private func run(_ seed: UInt64, batches: Int, sizes: ArraySlice<Int>) async throws {
            let drains = DrainRegistry()
            let definition = LimitDefinition(
                name: "few",
                algorithm: .fixedWindow(limit: 150, window: .seconds(86_400))
            )
            var limited = definition
            limited.match.method = .exact("few")
            let limits = LimitRegistry(try LimitSet(definitions: [limited], clock: { 1 }))
            let listener = try TestListener()
            let harness = try Harness(to: listener, drains: drains, limits: limits)
            let provider = DubboProvider(listener, connections: 100)
            let drain = Background {
                // "shut" refuses once a part of all has been asked, "mark" gives its replies an attachment.
                while provider.served.load(ordering: .relaxed) < 75 * batches { usleep(1000) }
                for (method, grace) in [("shut", UInt64(0)), ("mark", 1 << 60)] {
                    let target = DrainTarget(interface: DubboPeer.interface, method: method)
                    drains.begin(DrainOrder(target: target, now: 0, grace: grace, deadline: 1 << 61))
                }
                harness.relay.drainsChanged()
            }
            let consumers = (0..<100).map { number in
                Background {
                    var consumer = DubboConsumer(number, seed: seed)
                    try consumer.run(harness.connect(), batches: batches, sizes: sizes)
                    return consumer
                }
            }
            let results = try consumers.map { try $0.value() }
            let reached = try provider.end()
            try drain.value()
            await harness.stop()
            check(results, reached, limits)
        }

        private func check(_ consumers: [DubboConsumer], _ reached: [UInt64: Int], _ limits: LimitRegistry) {
            var passed = 0
            for call in consumers.flatMap(\.calls) {
                let count = reached[call.id, default: 0]
                let status = call.status.map { "\($0)" } ?? "-"
                if call.method == "few", count > 0 { passed += 1 }
                switch (call.isTwoWay, count, status) {
                case (true, 1, "20"), (false, 0...1, "-"), (true, 0, "100"): break
                default: Issue.record("call \(call.id) of \(call.method) reached \(count) times: \(status)")
                }
                if call.method == "free", count != 1 { Issue.record("call \(call.id) was not limited but refused") }
            }
            let asked = consumers.flatMap(\.calls).filter { $0.method == "few" }.count
            #expect(passed == min(asked, 150))
            let counts = limits.current["few"]?.counts
            #expect(counts?.allowed == UInt64(passed) && counts?.rejected == UInt64(asked - passed))
        }
    }
}

/// What both peers know of each other's frames.
enum DubboPeer {
    static let interface = "com.x.Svc"
    static let methods = ["free", "few", "few", "shut", "mark"]
    static let sizes = [10, 200, 3_000, 30_000, 65_300, 65_600, 70_000, 100_000, 200_000, 500_000, 1_048_576]

    /// The request of an id: what it says follows from that alone.
    static func request(_ id: UInt64) -> [UInt8] {
        var body: [UInt8] = []
        for text in ["2.0.2", interface, "1.0.0", methods[Int(id >> 8 & 0xff)], "[B"] { append(text, to: &body) }
        append(Int(id >> 32), filler: UInt8(truncatingIfNeeded: id) | 1, to: &body)
        body.append(0x48)
        append("path", to: &body)
        append(interface, to: &body)
        body.append(0x5a)
        return frame(id >> 16 & 1 == 1 ? 0x82 : 0xc2, status: 0, id, body)
    }

    /// The provider's reply to a request.
    static func reply(_ id: UInt64) -> [UInt8] {
        var body: [UInt8] = [0x91]
        append(Int(id & 0x7f) * 40, filler: UInt8(truncatingIfNeeded: id), to: &body)
        return frame(0x02, status: 20, id, body)
    }

    /// What of a reply a drain does not change: the value behind the kind.
    static func isReply(_ frame: [UInt8], _ id: UInt64) -> Bool {
        let own = reply(id)
        guard frame.count >= own.count, frame[16] == 0x91 || frame[16] == 0x94 else { return false }
        let isMarked = frame[16] == 0x94 && frame.last == 0x5a
        return frame[17..<own.count] == own[17...] && (isMarked || frame == own)
    }

    static func frame(_ flags: UInt8, status: UInt8, _ id: UInt64, _ body: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = [0xda, 0xbb, flags, status]
        frame += (0..<8).map { UInt8(truncatingIfNeeded: id >> (56 - 8 * UInt64($0))) } + [0, 0, 0, 0]
        DubboFrames.setBodyBytes(body.count, of: &frame)
        return frame + body
    }

    private static func append(_ text: String, to body: inout [UInt8]) {
        body.append(UInt8(text.utf8.count))
        body += text.utf8
    }

    /// A Hessian byte array in chunks.
    private static func append(_ count: Int, filler: UInt8, to body: inout [UInt8]) {
        var left = count
        while left > 0xffff {
            body += [0x41, 0xff, 0xff]
            body += [UInt8](repeating: filler, count: 0xffff)
            left -= 0xffff
        }
        body += [0x42, UInt8(left >> 8), UInt8(left & 0xff)]
        body += [UInt8](repeating: filler, count: left)
    }

    /// The next frame; `nil` at an end between two; throws where none begins.
    static func read(_ socket: TestSocket) throws -> [UInt8]? {
        var frame = try socket.readSome(1)
        guard !frame.isEmpty else { return nil }
        frame += try socket.read(exactly: 15)
        guard frame.starts(with: [0xda, 0xbb]) else { throw SocketError("no frame: \(hexText(frame))", 0) }
        return frame + (try socket.read(exactly: DubboFrames.bodyBytes(frame[...])))
    }
}

/// A provider that takes each request apart and answers it.
final class DubboProvider: Sendable {
    let served = Atomic<Int>(0)
    private let reached = Mutex<[UInt64: Int]>([:])
    private let failures = Mutex<[String]>([])
    private let acceptor = Mutex<Background<[Background<Void>]>?>(nil)

    init(_ listener: TestListener, connections: Int) {
        let accepting = Background { [self] in
            try (0..<connections).map { _ in
                let socket = try listener.accept()
                return Background { self.serve(socket) }
            }
        }
        acceptor.withLock { $0 = accepting }
    }

    private func serve(_ socket: TestSocket) {
        do {
            while let frame = try DubboPeer.read(socket) {
                let id = DubboFrames.id(frame)
                guard frame == DubboPeer.request(id) else { throw SocketError("request \(id) has other bytes", 0) }
                reached.withLock { $0[id, default: 0] += 1 }
                served.wrappingAdd(1, ordering: .relaxed)
                if frame[2] & 0x40 != 0 { try socket.write(DubboPeer.reply(id)) }
            }
        } catch {
            failures.withLock { $0.append("\(error)") }
        }
        socket.close()
    }

    /// Waits for all connections to end: how often each request has come.
    func end() throws -> [UInt64: Int] {
        let accepting = acceptor.withLock { $0 }
        for connection in try accepting?.value() ?? [] { try connection.value() }
        #expect(failures.withLock { $0 } == [])
        return reached.withLock { $0 }
    }
}

/// A consumer that sends batches of requests, cut at random, and waits for each one's reply.
struct DubboConsumer {
    struct Call {
        let id: UInt64
        let method: String
        let isTwoWay: Bool
        /// The status of its one reply.
        var status: UInt8?
    }

    private(set) var calls: [Call] = []
    private var random: SeededRandom
    private let number: UInt64

    init(_ number: Int, seed: UInt64) {
        self.number = UInt64(number)
        random = SeededRandom(seed: seed &* 1000 &+ UInt64(number))
    }

    mutating func run(_ socket: TestSocket, batches: Int, sizes: ArraySlice<Int>) throws {
        for batch in 0..<batches {
            let first = calls.count
            var bytes: [UInt8] = []
            for place in 0..<Int.random(in: 1...4, using: &random) {
                let call = makeCall(UInt64(batch * 4 + place), sizes)
                calls.append(call)
                bytes += DubboPeer.request(call.id)
            }
            try write(bytes, to: socket)
            try readReplies(socket, from: first)
        }
        // One way requests have no reply: the end comes behind them.
        socket.shutdownWrite()
        guard try DubboPeer.read(socket) == nil else { throw SocketError("a reply too many", 0) }
        socket.close()
    }

    /// The id says everything: the size, the method, whether there is a reply, the connection and the number.
    private mutating func makeCall(_ place: UInt64, _ sizes: ArraySlice<Int>) -> Call {
        let size = UInt64(sizes.randomElement(using: &random) ?? 0)
        let method = Int.random(in: 0..<DubboPeer.methods.count, using: &random)
        let isTwoWay = Int.random(in: 0..<8, using: &random) > 0
        let kind = (isTwoWay ? 0 : 1 << 16) | UInt64(method) << 8
        // 7 bits of the connection above the kind, 8 of the number below it.
        let id = size << 32 | number << 20 | kind | (place & 0xff)
        return Call(id: id, method: DubboPeer.methods[method], isTwoWay: isTwoWay)
    }

    private mutating func write(_ bytes: [UInt8], to socket: TestSocket) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let limit = [20, 3_000, 66_000, 300_000].randomElement(using: &random) ?? 1
            let piece = rest.prefix(Int.random(in: 1...limit, using: &random))
            try socket.write(piece)
            rest = rest.dropFirst(piece.count)
            // Now and then the relay has read what there is before more comes.
            if Int.random(in: 0..<4, using: &random) == 0 { usleep(300) }
        }
    }

    private mutating func readReplies(_ socket: TestSocket, from first: Int) throws {
        var waiting: [UInt64: Int] = [:]
        for place in first..<calls.count where calls[place].isTwoWay { waiting[calls[place].id] = place }
        while !waiting.isEmpty {
            guard let frame = try DubboPeer.read(socket) else { throw SocketError("a reply is missing", 0) }
            let id = DubboFrames.id(frame)
            guard let place = waiting.removeValue(forKey: id) else { throw SocketError("\(id) unasked or twice", 0) }
            guard frame[3] != 20 || DubboPeer.isReply(frame, id) else { throw SocketError("reply \(id) changed", 0) }
            calls[place].status = frame[3]
        }
    }
}
