internal import OTLP

// The generated names spelled shorter.
typealias OTLPSpan = Opentelemetry_Proto_Trace_V1_Span
typealias OTLPStatus = Opentelemetry_Proto_Trace_V1_Status
typealias OTLPResource = Opentelemetry_Proto_Resource_V1_Resource
typealias OTLPResourceSpans = Opentelemetry_Proto_Trace_V1_ResourceSpans
typealias OTLPScopeSpans = Opentelemetry_Proto_Trace_V1_ScopeSpans
typealias OTLPScope = Opentelemetry_Proto_Common_V1_InstrumentationScope
typealias OTLPKeyValue = Opentelemetry_Proto_Common_V1_KeyValue
typealias OTLPResponse = Opentelemetry_Proto_Collector_Trace_V1_ExportTraceServiceResponse

/// Attributes in the order in which they are added.
struct AttributeList {
    /// The attributes.
    var values: [OTLPKeyValue] = []

    /// Adds a text.
    mutating func add(_ key: String, _ value: String) { add(key) { $0.value.stringValue = value } }

    /// Adds a text unless there is none.
    mutating func addIfPresent(_ key: String, _ value: String?) {
        if let value, !value.isEmpty { add(key, value) }
    }

    /// Adds a whole number; one beyond 2⁶³ becomes negative, which no count here reaches.
    mutating func add(_ key: String, _ value: some BinaryInteger) {
        add(key) { $0.value.intValue = Int64(truncatingIfNeeded: value) }
    }

    /// Adds a number.
    mutating func add(_ key: String, _ value: Double) { add(key) { $0.value.doubleValue = value } }

    /// Adds a yes or no.
    mutating func add(_ key: String, _ value: Bool) { add(key) { $0.value.boolValue = value } }

    private mutating func add(_ key: String, _ fill: (inout OTLPKeyValue) -> Void) {
        var attribute = OTLPKeyValue()
        attribute.key = key
        fill(&attribute)
        values.append(attribute)
    }
}
