import TestSupport
import Testing
import Triple
import Wire

@Suite struct PathTests {
    struct Parts: Equatable {
        var context: String
        var interface: String
        var method: String
    }

    private func parts(_ path: String) -> Parts? {
        let bytes = Array(path.utf8)
        let span = bytes.span.bytes
        guard let path = TriplePath(span) else { return nil }
        return Parts(
            context: span.slice(path.context).text,
            interface: span.slice(path.interface).text,
            method: span.slice(path.method).text
        )
    }

    @Test(
        "interface and method are the last two segments",
        arguments: [
            ("/com.example.shop.OrderService/echoString", "", "com.example.shop.OrderService", "echoString"),
            ("/StreamingService/ClientStreamRPC", "", "StreamingService", "ClientStreamRPC"),
            ("/ctx/a.B/c", "ctx", "a.B", "c"), ("/x/y/a.B/$invoke", "x/y", "a.B", "$invoke"),
            ("/a.B/c?args=/x/y", "", "a.B", "c"), ("/a/b", "", "a", "b"), ("//a/b", "", "a", "b"),
            ("///a/b", "/", "a", "b"), ("/订单/查询", "", "订单", "查询"),
        ] as [(String, String, String, String)]
    )
    func segments(path: String, context: String, interface: String, method: String) {
        #expect(parts(path) == Parts(context: context, interface: interface, method: method))
    }

    @Test(
        "a path without interface or method names no call",
        arguments: ["", "/", "//", "/a", "/a/", "//a", "a/b", "*", "/a//", "/a//b", "?/a/b", "/?a/b", "/a?/b", "/tata"]
    )
    func none(path: String) {
        #expect(parts(path) == nil)
    }

    @Test(
        "gRPC's own services are not the application's business",
        arguments: [
            ("/grpc.health.v1.Health/Check", .health), ("/grpc.health.v1.Health/List", .health),
            ("/grpc.health.v1.Health/Watch", .healthWatch), ("/ctx/grpc.health.v1.Health/Watch", .healthWatch),
            ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", .reflection),
            ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", .reflection),
            ("/grpc.reflection./x", .business), ("/grpc.reflectionX/x", .business),
            ("/grpc.health.v2.Health/Watch", .business), ("/com.example.Health/Watch", .business),
            ("/grpc./x", .business), ("/g/x", .business),
        ] as [(String, TripleServiceKind)]
    )
    func kinds(text: String, kind: TripleServiceKind) throws {
        let bytes = Array(text.utf8)
        let path = TriplePath(bytes.span.bytes)
        let parsed = try #require(path)
        #expect(parsed.kind(in: bytes.span.bytes) == kind)
        #expect(kind.isBusiness == (kind == .business))
    }

    @Test(
        "only $invoke and $invokeAsync are generic",
        arguments: [
            ("/a.B/$invoke", true), ("/a.B/$invokeAsync", true), ("/a.B/$echo", false), ("/a.B/$invoked", false),
            ("/a.B/invoke", false), ("/$invoke/x", false),
        ] as [(String, Bool)]
    )
    func generic(text: String, isGeneric: Bool) throws {
        let bytes = Array(text.utf8)
        let path = TriplePath(bytes.span.bytes)
        #expect(try #require(path).isGeneric(in: bytes.span.bytes) == isGeneric)
    }

    @Test("any bytes are a path or none, and the ranges lie inside")
    func garbage() {
        var random = SeededRandom(seed: 11)
        let letters = Array("/a.$?\u{ff}".utf8)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...12, using: &random)).map { _ in letters.randomElement(using: &random)! }
            guard let path = TriplePath(bytes.span.bytes) else { continue }
            #expect(!path.interface.isEmpty && !path.method.isEmpty)
            #expect(path.interface.indices.upperBound + 1 == path.method.indices.lowerBound)
            #expect(!bytes[path.method.indices].contains(0x2f) && !bytes[path.interface.indices].contains(0x2f))
            _ = path.kind(in: bytes.span.bytes)
            _ = path.isGeneric(in: bytes.span.bytes)
        }
    }
}
