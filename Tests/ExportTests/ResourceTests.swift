import OTLP
import Telemetry
import Testing

@testable import Export

/// What the spans are about.
@Suite struct ResourceTests {
    private func attributes(
        _ environment: [String: String],
        name: String? = nil,
        learned: String? = nil
    ) -> [String: String] {
        let description = ResourceDescription(
            serviceName: name,
            environment: environment,
            hostName: "machine",
            version: "1.0"
        )
        let learnedName = learned.map { text in
            let name = LearnedName()
            name.learn(text)
            return name
        }
        let serviceName = SpanServiceName(given: description.serviceName, learned: learnedName)
        let attributes = description.resource(name: serviceName.text).attributes
        return Dictionary(uniqueKeysWithValues: attributes.map { ($0.key, $0.value.stringValue) })
    }

    @Test("without any hint the service is unknown")
    func unknown() {
        #expect(
            attributes([:]) == [
                "service.name": "unknown_service:weir", "service.instance.id": "machine", "host.name": "machine",
                "telemetry.sdk.name": "weir", "telemetry.sdk.language": "swift", "telemetry.sdk.version": "1.0",
            ]
        )
    }

    @Test("the nearest source of a name counts")
    func names() {
        var environment = ["APP": "f"]
        #expect(attributes(environment, learned: "z")["service.name"] == "f")
        environment["DUBBO_APPLICATION_NAME"] = "e"
        #expect(attributes(environment)["service.name"] == "e")
        environment["OTEL_RESOURCE_ATTRIBUTES"] = "service.name=d"
        #expect(attributes(environment)["service.name"] == "d")
        environment["OTEL_SERVICE_NAME"] = "c"
        #expect(attributes(environment)["service.name"] == "c")
        #expect(attributes(environment, name: "b")["service.name"] == "b")
        #expect(attributes(["APP": ""], learned: "z")["service.name"] == "z")
        #expect(attributes([:], name: "", learned: "")["service.name"] == "unknown_service:weir")
    }

    @Test("Kubernetes tells where it runs")
    func kubernetes() {
        let found = attributes([
            "POD_NAME": "shop-1", "POD_NAMESPACE": "prod", "NODE_NAME": "n7", "POD_IP": "10.1.2.3", "POD_UID": "u-1",
        ])
        #expect(found["k8s.pod.name"] == "shop-1")
        #expect(found["k8s.namespace.name"] == "prod")
        #expect(found["k8s.node.name"] == "n7")
        #expect(found["k8s.pod.ip"] == "10.1.2.3")
        #expect(found["service.instance.id"] == "u-1")
        #expect(attributes(["POD_NAME": "shop-1"])["service.instance.id"] == "shop-1")
    }

    @Test("OTEL_RESOURCE_ATTRIBUTES is read as far as it can be")
    func given() {
        let text = " a = b%2Cc ,host.name=other,broken,=x,d=,e=%zz%4,telemetry.sdk.name=liar,f=1=2,g=%C3%A4%ff"
        let found = attributes(["OTEL_RESOURCE_ATTRIBUTES": text])
        #expect(found["a"] == "b,c")
        #expect(found["host.name"] == "other")
        #expect(found["broken"] == nil)
        #expect(found["d"] == nil)
        #expect(found["e"] == "%zz%4")
        #expect(found["f"] == "1=2")
        #expect(found["g"] == "ä\u{fffd}")
        #expect(found["telemetry.sdk.name"] == "weir")
    }

    @Test("what the environment says is bounded")
    func bounds() {
        let many = (0..<1_000).map { "k\($0)=v" }.joined(separator: ",")
        #expect(attributes(["OTEL_RESOURCE_ATTRIBUTES": many]).count < 80)
        let long = attributes(["OTEL_SERVICE_NAME": String(repeating: "x", count: 100_000)])
        #expect(long["service.name"]?.utf8.count == 512)
    }

    @Test("a name that has to be learnt is waited for once, and settled for good")
    func settled() {
        let start = ContinuousClock.now
        let beyond = start + SpanServiceName.patience
        let unknown = ResourceDescription.unknownServiceName
        let learned = LearnedName()
        let late = SpanServiceName(given: nil, learned: learned)
        #expect(!late.settle(now: start, isLast: false) && late.text == unknown)
        #expect(!late.settle(now: beyond - .nanoseconds(1), isLast: false))
        let early = SpanServiceName(given: "", learned: learned)
        #expect(!early.settle(now: start, isLast: false))
        let pressed = SpanServiceName(given: nil, learned: learned)
        #expect(pressed.settle(now: start, isLast: true))
        #expect(late.settle(now: beyond, isLast: false))
        learned.learn("orders")
        #expect(late.text == unknown && pressed.text == unknown, "what has been said stays")
        #expect(early.text == "orders" && early.settle(now: beyond, isLast: false) && early.text == "orders")
        for name in [SpanServiceName(given: nil), SpanServiceName(given: "shop", learned: learned)] {
            #expect(name.settle(now: start, isLast: false) && name.text != "orders")
        }
    }
}
