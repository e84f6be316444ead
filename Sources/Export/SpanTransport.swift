internal import OTLP
internal import SwiftProtobuf

/// The result of a request with spans.
enum DeliveryAnswer: Equatable, Sendable {
    /// The collector took the spans, but for some that it refused.
    case taken(rejected: Int, message: String)
    /// The collector will never take them.
    case refused(reason: String)
    /// The collector cannot take them now; it may name a time when it can.
    case later(after: Duration?, reason: String)
    /// There was no answer.
    case unreachable(reason: String)
}

/// A way to the collector: one request at a time.
protocol SpanTransport: Sendable {
    /// Keeps the connections until it is stopped or cancelled.
    func run() async
    /// Sends a request and waits for its answer.
    func send(_ request: [UInt8]) async -> DeliveryAnswer
    /// Ends the connections; nothing is sent afterwards.
    func stop() async
}

/// A reader for the answer to an accepted request.
enum TraceResponse {
    /// The longest answer that is read, in bytes.
    static let maxBytes = 65_536
    /// The longest kept part of another program's message, in characters.
    private static let maxMessage = 200

    /// The meaning of a response message; one that cannot be read means that everything was taken, as the status said.
    static func answer(_ bytes: [UInt8]) -> DeliveryAnswer {
        let response = (try? OTLPResponse(serializedBytes: bytes)) ?? OTLPResponse()
        let partial = response.partialSuccess
        return .taken(rejected: Int(clamping: max(partial.rejectedSpans, 0)), message: excerpt(partial.errorMessage))
    }

    /// The beginning of another program's message, fit for a log line.
    static func excerpt(_ message: String) -> String {
        String(String.UnicodeScalarView(message.unicodeScalars.prefix(maxMessage).map { $0.value < 0x20 ? " " : $0 }))
    }
}
