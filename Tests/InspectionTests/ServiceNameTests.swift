import Calls
import Dubbo
import Hessian
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing

/// What a Dubbo call is named after: the attachment `interface` rather than the path, and no version for `0.0.0`.
@Suite struct ServiceNameTests {
    private static let interface = "com.x.Real"

    private static func request(
        _ id: UInt64,
        path: String,
        version: String = "1.0.0",
        method: String = "hello",
        interface: String? = interface,
        arguments: (inout HessianEncoder) -> Void = { $0.string("world") }
    ) -> [UInt8] {
        var attachments = [("path", path), ("version", version), ("group", "")]
        if let interface { attachments.insert(("interface", interface), at: 1) }
        return Frames.request(
            id: id,
            interface: path,
            version: version,
            method: method,
            arguments: arguments,
            attachments: attachments
        )
    }

    private func operations(_ bench: Bench) -> [String] {
        bench.snapshot.operations.filter { $0.calls > 0 || $0.inFlight > 0 }.map { report in
            "\(report.operation.interface):\(report.operation.version) \(report.operation.method)"
        }.sorted()
    }

    @Test("the attachment names the interface, cut at every place and on the fast path", arguments: Watching.allCases)
    func everySplit(watching: Watching) {
        for path in ["real", "com.x.Real2", "shop/com.x.Real", "com.x.Real"] {
            let frame = Self.request(1, path: path)
            for cut in 0..<frame.count {
                let bench = Bench(watching)
                let session = bench.open()
                bench.up(session, Array(frame[..<cut]))
                bench.up(session, Array(frame[cut...]))
                #expect(operations(bench) == ["com.x.Real:1.0.0 hello"], "\(path), cut at \(cut)")
            }
        }
    }

    @Test("without the attachment, or with an empty one, the path does")
    func pathAlone() {
        for interface in [nil, ""] {
            let bench = Bench(.nothing)
            bench.up(bench.open(), Self.request(1, path: "real", interface: interface))
            #expect(operations(bench) == ["real:1.0.0 hello"])
        }
    }

    @Test("two interfaces under one path are two operations, though their names are spelled the same")
    func onePath() {
        let bench = Bench(.nothing)
        let session = bench.open()
        for (id, interface) in [(1, "com.x.A"), (2, "com.x.B"), (3, "one"), (4, "com.x.A")] as [(UInt64, String)] {
            bench.up(session, Self.request(id, path: "one", interface: interface))
        }
        #expect(operations(bench) == ["com.x.A:1.0.0 hello", "com.x.B:1.0.0 hello", "one:1.0.0 hello"])
    }

    @Test("generic calls too")
    func generic() {
        let frame = Self.request(1, path: "real", method: "$invoke") { encoder in
            encoder.string("add")
            encoder.null()
            encoder.null()
        }
        for cut in 0..<frame.count {
            let bench = Bench(.nothing)
            let session = bench.open()
            bench.up(session, Array(frame[..<cut]))
            bench.up(session, Array(frame[cut...]))
            #expect(operations(bench) == ["com.x.Real:1.0.0 add"], "cut at \(cut)")
        }
    }

    @Test("fastjson and fastjson 2 name it among their attachments, too")
    func foreign() {
        func short(_ text: String) -> [UInt8] { [0x49 + UInt8(text.utf8.count)] + Array(text.utf8) }
        func chunk(_ value: [UInt8]) -> [UInt8] { [0, 0, 0, UInt8(value.count)] + value }
        let names = ["2.0.2", "real", "0.0.0", "hello", ""]
        let lines = names.map { "\"\($0)\"\n" }.joined() + "{\"path\":\"real\",\"interface\":\"com.x.Real\"}\n"
        let map = [0xa6] + short("interface") + short("com.x.Real") + [0xa5]
        let frames = [
            Frames.frame(0xc6, id: 1, Array(lines.utf8)), Frames.frame(0xd0, id: 1, Array(lines.utf8)),
            Frames.frame(0xd7, id: 1, names.flatMap { chunk(short($0)) } + chunk(map)),
        ]
        for frame in frames {
            let bench = Bench(.nothing)
            bench.up(bench.open(), frame)
            #expect(operations(bench) == ["com.x.Real: hello"])
        }
    }

    @Test("limits and drains of the interface hold; of a request too large to hold only the path is known in time")
    func judged() throws {
        let limited = try LimitedBench([.window(2) { $0.match.interface = .exact(Self.interface) }])
        for id in UInt64(1)...4 { limited.give(Self.request(id, path: "real")) }
        #expect(DubboExchange.split(limited.up)?.frames.map(\.id) == [1, 2])
        let large = Self.request(5, path: "real") { $0.binary([UInt8](repeating: 1, count: 70_000)) }
        limited.give(Array(large[..<100]))
        limited.give(Array(large[100...]))
        #expect(DubboExchange.split(limited.up)?.frames.map(\.id) == [1, 2, 5])
        #expect(operations(limited.bench) == ["com.x.Real:1.0.0 hello"])
        let drained = DrainedBench()
        drained.drain(Self.interface)
        drained.give(Self.request(1, path: "real"), now: DrainedBench.late)
        #expect(drained.up.isEmpty && DubboExchange.split(drained.down)?.frames.map(\.id) == [1])
    }

    // MARK: Versions

    @Test("0.0.0 is no version: one operation, in calls and labels; messages show what was sent")
    func zeroVersion() {
        let bench = Bench()
        let session = bench.open()
        for (id, version) in [(1, "0.0.0"), (2, ""), (3, "0.0.0")] as [(UInt64, String)] {
            let frame = Self.request(id, path: "com.x.Real", version: version)
            bench.up(session, Array(frame[..<40]))
            bench.up(session, Array(frame[40...]))
        }
        bench.up(session, Self.request(4, path: "com.x.Real", version: "0.0.0"))
        bench.up(session, Self.request(5, path: "com.x.Real", version: "1.0.0"))
        #expect(operations(bench) == ["com.x.Real:1.0.0 hello", "com.x.Real: hello"].sorted())
        #expect(bench.lines.count { $0.contains("\"version\":\"0.0.0\"") } == 3)
    }

    @Test(
        "0.0.0 in a limit is for calls without a version, in whatever pattern",
        arguments: [.exact("0.0.0"), .exact(""), .glob("0.0.*"), .regex("^(0\\.0\\.0|2\\..*)$")] as [TextPattern]
    )
    func zeroVersionLimit(pattern: TextPattern) throws {
        for version in ["0.0.0", ""] {
            let limited = try LimitedBench([.window(1) { $0.match.version = pattern }])
            for id in UInt64(1)...2 { limited.give(Self.request(id, path: "com.x.Real", version: version)) }
            limited.give(Self.request(3, path: "com.x.Real", version: "1.0.0"))
            #expect(DubboExchange.split(limited.up)?.frames.map(\.id) == [1, 3])
        }
    }

    @Test("Triple's 0.0.0 is no version either, over HTTP/2 and HTTP/1.1")
    func triple() {
        let bench = Bench(.nothing)
        var client = HTTP2Speaker()
        let version = ("tri-service-version", "0.0.0")
        let calls = client.call(1, "/com.x.Shop/buy", [version]) + client.call(3, "/com.x.Shop/buy")
        bench.up(bench.open(), H2.preface + H2.settings() + calls)
        bench.up(bench.open(), H1.request("{}", path: "/com.x.Shop/buy", ["tri-service-version: 0.0.0"]))
        #expect(operations(bench) == ["com.x.Shop: buy"])
        #expect(bench.inspector.callsInFlight == 3)
    }

    @Test("spans tell the version as it was sent")
    func spans() {
        for version in ["0.0.0", "", "1.0.0"] {
            for cut in [0, 40] {
                let traced = TracedBench()
                let frame = Self.request(1, path: "com.x.Real", version: version)
                traced.up(Array(frame[..<cut]))
                traced.up(Array(frame[cut...]))
                traced.down(Frames.reply(id: 1))
                #expect(traced.spans().map { $0.facts.marks.contains(.hasZeroVersion) } == [version == "0.0.0"])
            }
        }
    }
}
