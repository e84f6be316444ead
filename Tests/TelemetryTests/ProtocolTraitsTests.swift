import Telemetry
import TestSupport
import Testing

@testable import Calls

@Suite struct ProtocolTraitsTests {
    private static func toy(_ label: StaticString) -> ProtocolTraits { ProtocolTraits(label: label) }

    @Test("the enumerations and the table of traits are in one order")
    func order() {
        #expect(CallProtocol.allCases.map(\.label.description) == ["dubbo", "triple", "jsonrpc"])
        #expect(CallProtocol.allCases == [.dubbo, .triple, .jsonrpc])
        #expect(CallProtocol.placeCount == 7 && CallProtocol.places.count == 7)
        #expect(CallProtocol(rawValue: 7) == nil)
        for callProtocol in CallProtocol.places {
            let connection = ConnectionProtocol(callProtocol)
            #expect(connection.callProtocol == callProtocol)
            #expect(connection.label.description == callProtocol.label.description)
            #expect("\(connection)" == "\(callProtocol)")
        }
        for connection in [ConnectionProtocol.silent, .http, .tls, .opaque] {
            #expect(connection.callProtocol == nil && "\(connection)" == connection.label.description)
        }
        for callProtocol in CallProtocol.allCases { #expect("\(callProtocol)" == callProtocol.label.description) }
        #expect(ConnectionProtocol.allCases.count == 7 && ConnectionProtocol.allLabels.count == 11)
    }

    @Test("there are four places; a label has one, and is no other's")
    func places() {
        var places = ExtensionPlaces()
        #expect(places[0].label.description == "extension1" && places[3].label.description == "extension4")
        for label in ["dubbo", "http", "opaque", "extension2", "", "Upper", "a b", "a\"b"] as [StaticString] {
            #expect(places.register(Self.toy(label)) == nil, "\(label)")
        }
        let labels: [StaticString] = ["one", "two", "three", "four"]
        let expected: [CallProtocol] = [.extension1, .extension2, .extension3, .extension4]
        for (label, place) in zip(labels, expected) { #expect(places.register(Self.toy(label)) == place) }
        #expect(places.register(Self.toy("five")) == nil)
        #expect(places.register(Self.toy("two")) == .extension2)
        #expect(places[1].label.description == "two" && places.traits.count == 4)
    }

    @Test("a registered protocol is counted under its own words")
    func registered() throws {
        let callProtocol = try #require(ToyProtocol.callProtocol)
        #expect(ProtocolTraits.register(ToyProtocol.traits) == callProtocol)
        #expect(CallProtocol.known.contains(callProtocol) && !CallProtocol.allCases.contains(callProtocol))
        let bench = Bench()
        bench.recorder.operations = bench.registry
        let operation = bench.operation("m", in: callProtocol)
        for code: Int32 in [0, 9, -1, -2, -3, -4, -5] {
            bench.recorder.callFinished(call(operation, .serverError, code: code), wasInFlight: false)
        }
        let connection = ConnectionProtocol(callProtocol)
        bench.recorder.connectionOpened(side: .provider)
        bench.recorder.connectionIdentified(side: .provider, from: .silent, to: connection)
        bench.recorder.decodeError(connection, reason: "line")
        let codes = bench.snapshot().operations[0].results.map(\.code)
        #expect(Set(codes) == ["FINE", "SAD", "-1", "-2", "-3", "other"])
        let report = MetricsReport(snapshot: bench.snapshot())
        let read = try MetricsReport(bytes: report.bytes[...], registry: bench.registry, labels: bench.labels)
        for snapshot in [bench.snapshot(), read.snapshot] {
            let row = snapshot.connections.first { $0.connectionProtocol == connection }
            #expect(row?.total == 1 && row?.open == 1)
            #expect(snapshot.operations.map(\.operation.callProtocol) == [callProtocol])
        }
        let page = bench.page()
        #expect(page.contains("weir_connections_total{side=\"provider\",protocol=\"toy\"} 1\n"))
        #expect(page.contains("weir_open_connections{side=\"provider\",protocol=\"toy\"} 1\n"))
        #expect(page.contains("weir_decode_errors_total{protocol=\"toy\",reason=\"line\"} 1\n"))
        #expect(page.contains("weir_calls_total{side=\"provider\",protocol=\"toy\",interface=\"com.x.S\""))
        #expect(!page.contains("extension"))
        #expect(!Bench().page().contains("toy"))
    }

    @Test("operations beyond the registry's bound are a registered protocol's own overflow")
    func overflow() throws {
        let callProtocol = try #require(ToyProtocol.callProtocol)
        let registry = OperationRegistry(capacity: 1)
        let names = { (method: String) in
            Calls.Operation(callProtocol: callProtocol, interface: "I", version: "", group: "", method: method)
        }
        #expect(registry.count == 0)
        _ = registry.intern(names("a"))
        let other = registry.intern(names("b"))
        #expect(other == OperationRegistry.overflow(callProtocol))
        #expect(registry[other].callProtocol == callProtocol && registry[other].method == "_other")
        #expect(registry.count == 1 && registry.overflowed == 1)
    }

    @Test("a protocol with many codes of its own has no more series than there are places")
    func ownCodesAreBounded() throws {
        let callProtocol = try #require(ToyProtocol.callProtocol)
        let bench = Bench()
        bench.recorder.operations = bench.registry
        let operation = bench.operation("m", in: callProtocol)
        for code: Int32 in 0..<1000 {
            bench.recorder.callFinished(call(operation, .ok, code: code), wasInFlight: false)
        }
        let results = bench.snapshot().operations[0].results
        #expect(results.count == 256)
        #expect(results.filter { $0.code == "other" }.map(\.count) == [745])
    }
}
