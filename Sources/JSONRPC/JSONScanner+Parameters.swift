internal import Wire

/// The parameters that are looked at: a `name`, by which MCP names the tool that is called, and the trace context that
/// MCP puts into `_meta`.
///
/// The last one of repeated `params`, and of repeated members, counts. Source: MCP 2026-07-28, SEP-414.
extension JSONScanner {
    /// True if the current name inside `params` may be one that counts.
    @inline(__always)
    var isParameterWanted: Bool { depth == messageDepth &+ 1 || isInMeta }

    /// True if the innermost value is the object of `_meta`.
    @inline(__always)
    var isInMeta: Bool {
        depth == messageDepth &+ 2 && parameter.rawValue >= Parameter.meta.rawValue && field == .params
            && messageDepth > 0
    }

    /// Records the value of a parameter that counts, or of a member of `_meta` that does.
    mutating func noteParameter(_ kind: JSONKind, _ at: Int) {
        switch parameter {
        case .other: return
        // What is no object has no members; one that is goes on with them.
        case .meta:
            if depth == messageDepth &+ 1, kind != .object { parameter = .other }
            return
        case .name: nameText.removeAll(keepBytes: JSONLimits.maxParameterNameBytes)
        case .traceparent: traceparentText.removeAll(keepBytes: JSONLimits.maxTraceparentBytes)
        case .tracestate: tracestateText.removeAll(keepBytes: JSONLimits.maxTracestateBytes)
        }
        guard kind == .string else { return }
        hasParameters = true
        capture = .parameter
        captureFrom = at &+ 1
    }

    /// Adds characters of a parameter; one that does not fit is not kept.
    mutating func appendParameter(_ piece: RawSpan) {
        switch parameter {
        case .name: if !nameText.append(piece) { dropParameter() }
        case .traceparent: if !traceparentText.append(piece) { dropParameter() }
        case .tracestate: if !tracestateText.append(piece) { dropParameter() }
        case .other, .meta: break
        }
    }

    private mutating func dropParameter() {
        switch parameter {
        case .name: nameText.removeAll(keepBytes: 0)
        case .traceparent: traceparentText.removeAll(keepBytes: 0)
        case .tracestate: tracestateText.removeAll(keepBytes: 0)
        case .other, .meta: break
        }
        // What follows of it is passed over.
        parameter = parameter == .name ? .other : .meta
    }

    /// Forgets what was kept of parameters.
    mutating func forgetParameters() {
        hasParameters = false
        nameText.removeAll(keepBytes: JSONLimits.maxParameterNameBytes)
        traceparentText.removeAll(keepBytes: JSONLimits.maxTraceparentBytes)
        tracestateText.removeAll(keepBytes: JSONLimits.maxTracestateBytes)
    }
}
