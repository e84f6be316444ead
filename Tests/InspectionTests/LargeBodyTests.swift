import Calls
import Dubbo
import Hessian
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing

/// Bodies above 64 KiB in serializations other than Hessian 2: what stands in their front counts, however they are cut.
@Suite struct LargeBodyTests {
    /// A serialization with a request and a reply, each with room for what makes it large.
    enum Form: CaseIterable {
        case java, kryo, fastjson, gson, fastjson2

        var serialization: UInt8 {
            switch self {
            case .java: Serialization.java
            case .kryo: Serialization.kryo
            case .fastjson: Serialization.fastjson
            case .gson: Serialization.gson
            case .fastjson2: Serialization.fastjson2
            }
        }

        /// The class that the reply tells; Gson writes none.
        var exceptionClass: String { self == .gson ? "" : "com.x.Oops" }

        private static let texts = ["2.0.2", "com.x.Svc", "1.0.0", "hello", "[B"]

        func request(_ id: UInt64, _ room: Int, isTwoWay: Bool = true) -> [UInt8] {
            let filler = [UInt8](repeating: 0x41, count: room)
            var body: [UInt8] = []
            switch self {
            case .java: body = Self.javaStream(Self.texts.map(Self.javaString)) + filler
            case .kryo: body = Self.texts.flatMap(Self.kryoString) + filler
            case .fastjson, .gson:
                body = Self.lines(Self.texts.map { "\"\($0)\"" }, filler, "{\"path\":\"com.x.Svc\",\"group\":\"g\"}")
            case .fastjson2:
                body = Self.texts.flatMap { Self.chunk(Self.short($0)) }
                body += Self.chunk([0x91, 0x48] + Self.word(room) + filler)
                body += Self.chunk([0xa6] + Self.short("group") + Self.short("g") + [0xa5])
            }
            return Frames.frame((isTwoWay ? 0xc0 : 0x80) | serialization, id: id, body)
        }

        func exception(_ id: UInt64, _ room: Int) -> [UInt8] {
            let filler = String(repeating: "m", count: room)
            let body: [UInt8]
            switch self {
            case .java:
                // A block with the kind and that it is not null, then an object whose class stands in front.
                let object: [UInt8] = [0x73, 0x72, 0, 10] + Array("com.x.Oops".utf8) + [UInt8](repeating: 0, count: 12)
                body = Self.javaStream([[0, 1]]) + object + Array(filler.utf8)
            case .kryo: body = [0, 1, 0] + Self.kryoString("com.x.Oops") + Array(filler.utf8)
            case .fastjson: body = Array("0\n{\"@type\":\"com.x.Oops\",\"message\":\"\(filler)\"}\n".utf8)
            case .gson: body = Array("0\n{\"detailMessage\":\"\(filler)\"}\n".utf8)
            case .fastjson2:
                let message = [0x7a, 0x48] + Self.word(room) + Array(filler.utf8)
                let members = [0x7f] + Self.short("detailMessage") + [1] + message
                let thrown = [0x92] + Self.short("com.x.Oops") + [0, 0xa6] + members + [0xa5]
                body = Self.chunk([0xbd, 0]) + Self.chunk(thrown)
            }
            return Frames.frame(serialization, status: 20, id: id, body)
        }

        /// `writeInt` of the units, then `writeUTF`, as Dubbo's `JavaObjectOutput` writes a text.
        private static func javaString(_ text: String) -> [UInt8] {
            let count = text.utf8.count
            return word(count) + [UInt8(count >> 8), UInt8(count & 255)] + Array(text.utf8)
        }

        /// A stream whose values lie in one block of data.
        private static func javaStream(_ values: [[UInt8]]) -> [UInt8] {
            let block = values.flatMap { $0 }
            return [0xac, 0xed, 0, 5, 0x77, UInt8(block.count)] + block
        }

        private static func kryoString(_ text: String) -> [UInt8] {
            var bytes = Array(text.utf8)
            bytes[bytes.count - 1] |= 0x80
            return bytes
        }

        private static func lines(_ texts: [String], _ filler: [UInt8], _ last: String) -> [UInt8] {
            Array((texts.joined(separator: "\n") + "\n\"").utf8) + filler + Array("\"\n\(last)\n".utf8)
        }

        private static func short(_ text: String) -> [UInt8] { [0x49 + UInt8(text.utf8.count)] + Array(text.utf8) }
        private static func chunk(_ value: [UInt8]) -> [UInt8] { word(value.count) + value }
        private static func word(_ value: Int) -> [UInt8] {
            [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
        }
    }

    /// Sizes about the bound of what is kept, and far above.
    private static let rooms = [1_000, 65_000, 65_536, 66_000, 200_000]
    /// Reads as large as the relay's buffer, about the bound, and small.
    private static let reads = [262_144, 150_000, 70_000, 65_537, 65_536, 65_535, 5_000]

    private static func pieces(_ bytes: [UInt8], _ first: Int, _ read: Int) -> [[UInt8]] {
        var rest = bytes[...]
        var pieces = [Array(rest.prefix(first))]
        rest = rest.dropFirst(first)
        while !rest.isEmpty {
            pieces.append(Array(rest.prefix(read)))
            rest = rest.dropFirst(read)
        }
        return pieces.filter { !$0.isEmpty }
    }

    @Test("names and exceptions of large bodies are known", arguments: Form.allCases, rooms)
    func names(form: Form, room: Int) {
        for watching in Watching.allCases {
            for read in Self.reads {
                for first in [0, 1, 16, 20, 60, 200] {
                    let bench = Bench(watching)
                    let session = bench.open()
                    for piece in Self.pieces(form.request(1, room), first, read) { bench.up(session, piece) }
                    for piece in Self.pieces(form.exception(1, room), first, read) { bench.down(session, piece) }
                    #expect(bench.counts() == ["com.x.Svc.hello business_error OK 1"], "\(first), \(read)")
                    let exceptions = bench.snapshot.report("hello")?.exceptions.map(\.className) ?? []
                    #expect(exceptions == [form.exceptionClass], "\(first), \(read)")
                }
            }
        }
    }

    @Test("attachments behind a large argument are known", arguments: [Form.fastjson, .gson, .fastjson2], rooms)
    func attachments(form: Form, room: Int) {
        for read in Self.reads {
            let bench = Bench(.nothing)
            let session = bench.open()
            for piece in Self.pieces(form.request(1, room), 30, read) { bench.up(session, piece) }
            #expect(bench.snapshot.operations.filter { $0.inFlight > 0 }.map(\.operation.group) == ["g"], "\(read)")
        }
    }

    @Test("limits and drains hold for them", arguments: [Form.fastjson, .fastjson2], rooms)
    func judged(form: Form, room: Int) throws {
        for read in Self.reads {
            let limited = try LimitedBench([.window(1, method: "hello") { $0.match.interface = .exact("com.x.Svc") }])
            let drained = DrainedBench()
            drained.drain("com.x.Svc")
            let row = (1...3).map { form.request($0, room) }
            for piece in Self.pieces(row.flatMap { $0 }, 30, read) {
                limited.give(piece)
                drained.give(piece, now: DrainedBench.late)
            }
            #expect(limited.up == row[0], "\(read)")
            #expect(DubboExchange.split(limited.down)?.frames.map(\.id) == [2, 3], "\(read)")
            #expect(drained.up.isEmpty && DubboExchange.split(drained.down)?.frames.map(\.id) == [1, 2, 3], "\(read)")
            #expect(limited.governed.up.heldBytes == 0 && !drained.isHolding)
        }
    }

    @Test("a one way request in any serialization that is read is limited however large", arguments: Form.allCases)
    func oneway(form: Form) throws {
        for read in Self.reads {
            let limited = try LimitedBench([.window(1, method: "hello")])
            let row = (1...2).map { form.request($0, 100_000, isTwoWay: false) }
            for piece in Self.pieces(row.flatMap { $0 }, 30, read) { limited.give(piece) }
            #expect(limited.up == row[0] && limited.down.isEmpty, "\(read)")
        }
    }

    @Test("what a hole leaves of a body's front counts", arguments: Form.allCases)
    func hole(form: Form) {
        let bench = Bench()
        let session = bench.open()
        let (request, reply) = (form.request(1, 100_000), form.exception(1, 100_000))
        bench.up(session, Array(request[..<1_000]))
        bench.inspector.missed(session, count: UInt64(request.count - 2_000), going: .toUpstream, now: 1000)
        bench.up(session, Array(request[(request.count - 1_000)...]))
        bench.down(session, Array(reply[..<1_000]))
        bench.inspector.missed(session, count: UInt64(reply.count - 1_000), going: .toDownstream, now: 2000)
        #expect(bench.counts() == ["com.x.Svc.hello business_error OK 1"])
    }

    @Test(
        "captured bodies of Dubbo Java, in reads as large as may be, are what its peers logged",
        arguments: ["java", "kryo", "fastjson"]
    )
    func captured(name: String) throws {
        let path = "java-large/large-bodies-dubbo-java-2.7.23-\(name)"
        try GoldenFile.withCapture("\(path).pcap") { file in
            let reads = try CaptureReads.read(file)
            let log = try GoldenFile.lines("\(path).consumer.jsonl")
            let reached = try GoldenFile.lines("\(path).provider.jsonl").compactMap { $0.text("method") }.sorted()
            #expect(reached.count == 5)
            for limit in Self.reads {
                let bench = Bench(.calls)
                reads.replay(into: bench, limit: limit)
                let methods = bench.calls.all.map { bench.registry[$0.call.operation].method }
                #expect(methods.sorted() == reached, "\(limit)")
                let outcomes = bench.calls.all.map { "\($0.call.outcome.label)" }
                let expected = log.map { $0.text("outcome") == "ok" ? "ok" : "business_error" }
                #expect(outcomes == expected, "\(limit)")
                // Where the consumer could not read the exception its log has one of Dubbo's own.
                for (call, line) in zip(bench.calls.all, log) where line.text("exception")?.hasPrefix("peer.") == true {
                    #expect(call.exception == line.text("exception"), "\(limit)")
                }
            }
        }
    }
}
