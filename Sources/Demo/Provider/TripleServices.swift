internal import Hessian

/// The answer of a Triple service: messages, or a gRPC status.
struct TripleAnswer: Sendable {
    /// The reply's messages; none in a reply that is a status only.
    var messages: [[UInt8]] = []
    /// `grpc-status`: 0 unless there are no messages.
    var status = 0
    /// `grpc-message`.
    var text = ""
    /// True if the only message is an exception of the application.
    var hasException = false
    /// The time of the first message, or of the status: shortest to longest.
    var nanoseconds: ClosedRange<UInt64>
    /// The time of each further message.
    var gapNanoseconds: UInt64 = 0

    /// One message after a time in the range of milliseconds.
    init(_ message: [UInt8], _ milliseconds: ClosedRange<UInt64>) {
        messages = [message]
        nanoseconds = milliseconds.lowerBound * 1_000_000...milliseconds.upperBound * 1_000_000
    }

    /// A status other than OK.
    init(status: Int, _ text: String, _ milliseconds: ClosedRange<UInt64>) {
        self.init([], milliseconds)
        messages = []
        (self.status, self.text) = (status, text)
    }
}

/// The answers of the demo's Triple service; they depend on the request's number alone.
enum TripleServices {
    static let shipping = "com.example.ship.ShippingService"
    static let version = "2.1.0"

    /// A parcel that does not exist: NOT_FOUND.
    static let lostParcel: UInt64 = 0
    /// A carrier that takes no more questions: RESOURCE_EXHAUSTED.
    static let busyCarrier: UInt64 = 10_000_001
    /// A booking that the application refuses with an exception.
    static let badAddress: UInt64 = 10_000_002
    /// A carrier that answers after ``slowMilliseconds``, and then that it took too long.
    static let slowCarrier: UInt64 = 10_000_003
    static let slowMilliseconds: UInt64 = 400

    /// The answer.
    ///
    /// - Parameters:
    ///   - fields: The request's header fields.
    ///   - message: Its first message.
    /// - Returns: The answer, errors included.
    static func answer(_ fields: TripleFields, _ message: [UInt8]) -> TripleAnswer {
        guard fields.interface == shipping, fields.version == version else {
            return TripleAnswer(status: 12, "Service not found: \(fields.interface):\(fields.version)", 0...1)
        }
        guard let number = DemoProtobuf.number(of: message) else {
            return TripleAnswer(status: 3, "the message has no number in field 1", 0...1)
        }
        switch (fields.method, number) {
        case ("follow", _): return follow(number)
        case ("quote", busyCarrier): return TripleAnswer(status: 8, "carrier: 40 requests/s are exceeded", 1...4)
        case (_, slowCarrier):
            return TripleAnswer(status: 4, "carrier did not answer", slowMilliseconds...slowMilliseconds)
        case ("quote", _): return TripleAnswer(DemoProtobuf.message(number % 9000 + 490, "EUR"), 4...28)
        case ("locate", lostParcel): return TripleAnswer(status: 5, "parcel \(number) not found", 2...9)
        case ("locate", _): return TripleAnswer(DemoProtobuf.message(number, "Leipzig, 51.42 N 12.23 E"), 3...12)
        case ("book", badAddress): return exception
        case ("book", _): return TripleAnswer(DemoProtobuf.message(number &* 31, "BOOKED"), 15...70)
        default: return TripleAnswer(status: 12, "Method not found: \(fields.method)", 0...1)
        }
    }

    /// A stream of a parcel's stations; a slow carrier's goes on for longer than its caller waits.
    private static func follow(_ number: UInt64) -> TripleAnswer {
        let isSlow = number == slowCarrier
        var answer = TripleAnswer([], 3...10)
        answer.messages = (0..<(isSlow ? 40 : 3 + number % 5)).map { DemoProtobuf.message($0, "station \($0)") }
        answer.gapNanoseconds = isSlow ? 20_000_000 : 9_000_000
        return answer
    }

    /// An exception as Dubbo 3.3 sends it: `TripleResponseWrapper` with Hessian in it.
    private static let exception: TripleAnswer = {
        let thrown = JavaException(
            className: "com.example.ship.AddressException",
            message: "no such street",
            trace: [
                JavaException.Line(
                    className: "com.example.ship.ShippingServiceImpl",
                    method: "book",
                    file: "ShippingServiceImpl.java",
                    line: 88
                )
            ]
        )
        var encoder = HessianEncoder()
        encoder.value(thrown.value)
        let wrapper =
            DemoProtobuf.field(1, Array("hessian4".utf8)) + DemoProtobuf.field(2, encoder.bytes)
            + DemoProtobuf.field(3, Array("com.example.ship.Booking".utf8))
        var answer = TripleAnswer(wrapper, 8...25)
        answer.hasException = true
        return answer
    }()
}
