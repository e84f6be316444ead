internal import Calls
internal import Clocks
internal import OTLP
internal import SwiftProtobuf
internal import Telemetry
internal import Wire

/// An encoder from spans to OTLP requests.
struct TraceRequestEncoder {
    let conventions: SpanConventions
    let registry: OperationRegistry
    let maxBytes: Int

    /// A request and the number of its spans.
    struct Request {
        var bytes: [UInt8]
        var spanCount: Int
        /// Spans that could not be written.
        var unwritable: Int
    }

    /// Makes a request of as many spans as fit.
    ///
    /// A span is written once and its bytes are then wrapped, so that the request's size is known as it grows.
    ///
    /// - Parameters:
    ///   - chunk: The spans; those that were taken are marked as gone.
    ///   - resource: Their resource.
    ///   - version: The version of the instrumentation scope.
    /// - Returns: The request; it holds at least one span unless none could be written.
    func request(_ chunk: inout SpanChunk, _ resource: OTLPResource, version: String) -> Request {
        let offset = SystemClock.epochOffset()
        var scopeSpans = OTLPScopeSpans()
        scopeSpans.scope.name = "weir"
        scopeSpans.scope.version = version
        var body = Self.bytes(scopeSpans) ?? []
        var request = Request(bytes: [], spanCount: 0, unwritable: 0)
        while chunk.first < chunk.spans.count {
            let facts = chunk.spans[chunk.first]
            let texts = chunk.texts[facts.texts.indices]
            let operation = registry[facts.call.operation]
            let span = conventions.span(facts, texts: texts, operation: operation, offset: offset)
            if let bytes = Self.bytes(span) {
                guard request.spanCount == 0 || body.count + bytes.count <= maxBytes else { break }
                // ScopeSpans.spans = 2
                Self.append(field: 2, bytes, to: &body)
                request.spanCount += 1
            } else {
                request.unwritable += 1
            }
            chunk.first += 1
        }
        var resourceSpans = OTLPResourceSpans()
        resourceSpans.resource = resource
        var outer = Self.bytes(resourceSpans) ?? []
        // ResourceSpans.scope_spans = 2, ExportTraceServiceRequest.resource_spans = 1
        Self.append(field: 2, body, to: &outer)
        Self.append(field: 1, outer, to: &request.bytes)
        return request
    }

    /// A message's bytes; `nil` if it is larger than protobuf allows.
    private static func bytes(_ message: some Message) -> [UInt8]? { try? message.serializedBytes() }

    /// Appends a field that holds a message.
    private static func append(field: UInt8, _ bytes: [UInt8], to output: inout [UInt8]) {
        // Wire type 2: a length, then as many bytes.
        output.append(field << 3 | 2)
        var length = UInt64(bytes.count)
        while length >= 0x80 {
            output.append(UInt8(truncatingIfNeeded: length) | 0x80)
            length >>= 7
        }
        output.append(UInt8(truncatingIfNeeded: length))
        output.append(contentsOf: bytes)
    }
}
