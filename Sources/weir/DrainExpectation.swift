internal import Calls
internal import Policy

/// What consumers of a kind will do upon a drain, as real ones were seen to do.
struct DrainExpectation {
    /// The consumers.
    var consumers: String
    /// Their expected behaviour.
    var text: String

    /// The expected behaviour of a protocol's consumers.
    ///
    /// - Parameters:
    ///   - order: The drain.
    ///   - connectionProtocol: What they speak.
    /// - Returns: By kinds of consumers; none of a protocol without calls.
    static func of(_ order: DrainOrder, _ connectionProtocol: ConnectionProtocol) -> [DrainExpectation] {
        switch connectionProtocol {
        case .dubbo: dubbo(order)
        case .triple: triple(order)
        case .jsonrpc, .http: http(order)
        case .silent, .tls, .opaque: []
        case .extension1, .extension2, .extension3, .extension4:
            [
                DrainExpectation(
                    consumers: connectionProtocol.label.description,
                    text: "calls are refused after the grace"
                )
            ]
        }
    }

    private static let refused =
        "are told nothing: they are refused after the grace (status 100) and try other providers"

    private static func dubbo(_ order: DrainOrder) -> [DrainExpectation] {
        var expected: [DrainExpectation] = []
        var others = "all Dubbo consumers"
        if order.isSignalled, order.target.isService {
            expected = [
                DrainExpectation(
                    consumers: "Dubbo Java from 3.2.1 on",
                    text: "go to other providers at once; without another every call of theirs fails from now on"
                ),
                DrainExpectation(
                    consumers: "Dubbo Java before 3.2.1",
                    text: "go to other providers at once, and call this one where there is no other; after the undoing "
                        + "they come back on new connections"
                ),
            ]
            others = "other Dubbo consumers"
        }
        if order.isLeaving {
            expected.append(
                DrainExpectation(
                    consumers: "dubbo-go from 3.3.2 on",
                    text: "leave for 30 s at least, whatever undoes it, once a reply is their connection's last in "
                        + "flight; without another provider every call of theirs fails"
                )
            )
            others = "other Dubbo consumers"
        }
        return expected + [DrainExpectation(consumers: others, text: refused)]
    }

    private static func triple(_ order: DrainOrder) -> [DrainExpectation] {
        var expected: [DrainExpectation] = []
        if order.isSignalled, order.target.method.isEmpty {
            expected.append(
                DrainExpectation(
                    consumers: "Triple with Health/Watch (dubbo-go from 3.3.2 on)",
                    text: "leave within 1 s; without another provider every call of theirs fails"
                )
            )
        }
        var text = "are told nothing and never refused"
        if order.target.isService {
            text =
                (order.isSignalled ? "are told to end their connections" : "are told nothing in the grace")
                + "; new ones are let in until the grace is over, and turned away from then on; no call is refused"
        }
        return expected + [DrainExpectation(consumers: "Triple, gRPC", text: text)]
    }

    private static func http(_ order: DrainOrder) -> [DrainExpectation] {
        let isTold = order.isSignalled && order.target.isService
        let told = isTold ? "are told to close their connections with the next response; " : ""
        return [DrainExpectation(consumers: "JSON-RPC, HTTP", text: told + "calls are refused after the grace (503)")]
    }
}
