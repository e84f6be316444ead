import Dubbo
import Hessian
import TestSupport
import Testing

@testable import Demo

@Suite struct FrameBytesTests {
    // MARK: Requests

    static let orderService = DemoCall(
        interface: "com.example.shop.OrderService",
        method: "echoString",
        parameters: [.string],
        arguments: [.string("hello")],
        timeoutMilliseconds: 5000
    )

    @Test("requests are byte for byte those of Dubbo Java")
    func requests() {
        let traced = Self.orderService
        var oneway = Self.orderService
        (oneway.method, oneway.arguments, oneway.isOneway) = ("fireAndForget", [.string("fire 🔥")], true)
        var echo = Self.orderService
        (echo.method, echo.parameters, echo.arguments) = ("$echo", [.object], [.string("回声")])
        var generic = Self.orderService
        (generic.arguments, generic.isGeneric) = ([.string("泛化")], true)
        let cases: [(DemoCall, [UInt8], String?)] = [
            (traced, JavaFrames.tracedCall, "00-aa5002224700d59c14b9d7ffef07e298-b0e67b41b370c66a-01"),
            (oneway, JavaFrames.onewayCall, "00-51bc75dac5cd51f7d2912105ee6b9b90-c88d83f9a2ac5d17-01"),
            (echo, JavaFrames.echoCall, "00-157cfddafc8d10b0121f811692e946c5-2333a2ebaf432a5b-01"),
            (generic, JavaFrames.genericCall, nil),
        ]
        for (call, expected, traceParent) in cases {
            let id = expected[4..<12].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let frame = call.frame(id: id, application: "shop-consumer", traceParent: traceParent)
            #expect(hexText(frame) == hexText(expected), "\(call.method)")
        }
    }

    @Test("the group and the service's version stand among the attachments")
    func group() throws {
        var call = Self.orderService
        (call.group, call.version) = ("warehouse", "2.1.0")
        let request = try read(call.frame(id: 1, application: "batch", traceParent: nil))
        #expect(request.group == "warehouse")
        #expect(request.version == "2.1.0")
        #expect(request.attachments["version"] == "2.1.0")
        #expect(request.attachments["remote.application"] == "batch")
        #expect(request.attachments["traceparent"] == nil)
        #expect(request.dubboVersion == "2.0.2")
    }

    @Test("a provider reads Java's requests")
    func reading() throws {
        let traced = try read(JavaFrames.tracedCall)
        #expect(traced.interface == "com.example.shop.OrderService")
        #expect(traced.method == "echoString")
        #expect(traced.arguments == [.string("hello")])
        #expect(traced.attachments["timeout"] == "5000")
        #expect(!traced.isGeneric)
        let generic = try read(JavaFrames.genericCall)
        #expect(generic.method == "echoString")
        #expect(generic.arguments == [.string("泛化")])
        #expect(generic.isGeneric)
    }

    @Test("a body cut anywhere is an error, never a request and never a crash")
    func truncated() throws {
        let whole = try frame(JavaFrames.genericCall)
        for count in 0..<whole.body.count {
            let cut = DemoFrame(header: whole.header, body: Array(whole.body.prefix(count)))
            // A body that ends between two values is one with fewer of them.
            if let request = try? DemoRequest(cut) { #expect(request.attachments == [:]) }
        }
    }

    // MARK: Replies

    @Test("replies are byte for byte those of Dubbo Java")
    func replies() {
        let java = "17.0.15"
        func line(_ name: String, _ method: String, _ file: String, _ line: Int32, _ version: String? = nil)
            -> JavaException.Line
        {
            JavaException.Line(className: name, method: method, file: file + ".java", line: line, javaVersion: version)
        }
        let pool = "java.util.concurrent.ThreadPoolExecutor"
        let scheduled = "ScheduledThreadPoolExecutor"
        let thrown = JavaException(
            className: "com.example.shop.OrderException",
            message: "later",
            ownFields: [("code", .int32(77))],
            trace: [
                line("com.example.shop.OrderServiceImpl", "lambda$asyncFail$2", "OrderServiceImpl", 51),
                line("java.util.concurrent.FutureTask", "run", "FutureTask", 264, java),
                line("java.util.concurrent.\(scheduled)$ScheduledFutureTask", "run", scheduled, 304, java),
                line(pool, "runWorker", "ThreadPoolExecutor", 1136, java),
                line(pool + "$Worker", "run", "ThreadPoolExecutor", 635, java),
                line("java.lang.Thread", "run", "Thread", 840, java),
            ]
        )
        let notFound = "Fail to decode request due to: RpcInvocation [methodName=who, parameterTypes=null]"
        let cases: [(DemoAnswer.Content, [UInt8])] = [
            (.value(.null), JavaFrames.nullReply), (.value(.string("seen 库存0")), JavaFrames.valueReply),
            (.exception(thrown), JavaFrames.exceptionReply),
            (.failure(status: 40, text: notFound), JavaFrames.badRequestReply),
        ]
        for (content, expected) in cases {
            let id = expected[4..<12].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let reply = FrameBytes.reply(content, id: id, withAttachments: true)
            #expect(hexText(reply ?? []) == hexText(expected))
        }
        #expect(FrameBytes.reply(.silence, id: 1, withAttachments: true) == nil)
    }

    @Test("peers that know no attachments in replies get none")
    func oldPeers() {
        let null = FrameBytes.reply(.value(.null), id: 1, withAttachments: false)
        #expect(null == hex("dabb0214 0000000000000001 00000001 92"))
        let value = FrameBytes.reply(.value(.int32(47)), id: 2, withAttachments: false)
        #expect(value == hex("dabb0214 0000000000000002 00000002 91bf"))
        let busy = FrameBytes.reply(.failure(status: 100, text: "busy"), id: 3, withAttachments: false)
        #expect(busy == hex("dabb0264 0000000000000003 00000005 0462757379"))
    }

    @Test("heartbeats are the known seventeen bytes")
    func heartbeats() {
        #expect(FrameBytes.heartbeat(id: 1) == hex("dabbe200 0000000000000001 00000001 4e"))
        #expect(FrameBytes.heartbeatReply(id: 1) == hex("dabb2214 0000000000000001 00000001 4e"))
        // From a capture of Dubbo Java 3.3.1.
        #expect(FrameBytes.heartbeat(id: 0x7ded_e77e_536d_3da9) == hex("dabbe2007dede77e536d3da9000000014e"))
    }

    @Test("an object becomes a map with its class for a generic caller")
    func generalized() {
        let order = HessianValue.object(
            "a.Order",
            [("id", .int64(7)), ("price", .object("b.Sum", [("value", .null)]))]
        )
        let expected = HessianValue.map([
            ("id", .int64(7)), ("price", .map([("value", .null), ("class", .string("b.Sum"))])),
            ("class", .string("a.Order")),
        ])
        #expect(order.generalized == expected)
    }

    private func frame(_ bytes: [UInt8]) throws -> DemoFrame {
        var frames = FrameBuffer()
        frames.append(bytes[...])
        return try #require(try frames.next())
    }

    private func read(_ bytes: [UInt8]) throws -> DemoRequest { try DemoRequest(frame(bytes)) }
}
