internal import Telemetry

/// A span's texts by meaning.
///
/// Bytes that are not UTF-8 become replacement characters: protobuf's strings have to be UTF-8, and one bad byte must
/// not cost a whole batch.
struct KnownTexts {
    var caller = ""
    var exception = ""
    var requestID = ""
    var tracestate = ""
    var sw8 = ""
    var eagleEyeTraceID = ""
    var eagleEyeRPCID = ""
    var transaction = ""
    /// The attachments that the settings list: the number in that list and the value.
    var attachments: [(number: Int, value: String)] = []

    /// Parses the output of ``SpanTexts``.
    init(_ texts: ArraySlice<UInt8>) {
        SpanTexts.forEach(texts) { kind, number, bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            switch kind {
            case .caller: caller = text
            case .exception: exception = text
            case .requestID: requestID = text
            case .tracestate: tracestate = text
            case .sw8: sw8 = text
            case .eagleEyeTraceID: eagleEyeTraceID = text
            case .eagleEyeRPCID: eagleEyeRPCID = text
            case .transaction: transaction = text
            case .attachment: attachments.append((Int(number), text))
            }
        }
    }
}
