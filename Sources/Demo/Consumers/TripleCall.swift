internal import Calls

/// A Triple call of a consumer.
struct TripleCall: CountedCall, Sendable {
    var interface = TripleServices.shipping
    var method: String
    /// The request's only message.
    var message: [UInt8]
    /// The value of `grpc-timeout`.
    var timeoutMilliseconds: UInt64 = 3000
    /// The time after which the caller gives up; `nil` for a caller that waits until its deadline.
    var cancelsAfterMilliseconds: UInt64?
    var expected = Outcome.ok

    var countedAs: DemoCounts.Method { DemoCounts.Method(.triple, interface: interface, method: method) }

    /// The outcome of the call if its caller gives it up.
    var outcomeGivenUp: Outcome { cancelsAfterMilliseconds == nil ? .timeout : .cancelled }
}

/// The Triple traffic: calls and frequencies.
enum TripleTraffic {
    private typealias Choice = DemoApplication<TripleCall>.Choice

    /// The application that speaks Triple.
    ///
    /// - Parameter random: The generator of its first ping.
    /// - Returns: The application.
    static func application(_ random: inout DemoRandom) -> DemoApplication<TripleCall> {
        DemoApplication("dispatch", firstID: random.next(), choices)
    }

    private static let choices: [Choice] = [
        Choice(420) { call("quote", &$0) }, Choice(260) { call("locate", &$0) }, Choice(120) { call("book", &$0) },
        Choice(90) { call("follow", &$0) },
        Choice(20) { _ in call("locate", TripleServices.lostParcel, expected: .clientError) },
        Choice(10) { _ in call("quote", TripleServices.busyCarrier, expected: .serverError) },
        Choice(8) { _ in call("book", TripleServices.badAddress, expected: .businessError) },
        Choice(7) { _ in call("quote", TripleServices.slowCarrier, expected: .timeout) },
        Choice(6) { _ in
            var call = call("follow", TripleServices.slowCarrier, expected: .cancelled)
            call.cancelsAfterMilliseconds = 120
            return call
        },
    ]

    private static func call(_ method: String, _ random: inout DemoRandom) -> TripleCall {
        call(method, UInt64.random(in: 1...9_999_999, using: &random))
    }

    private static func call(_ method: String, _ number: UInt64, expected: Outcome = .ok) -> TripleCall {
        let message = DemoProtobuf.message(number, "Hauptstraße 1, 10827 Berlin")
        return TripleCall(method: method, message: message, expected: expected)
    }
}
