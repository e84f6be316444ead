internal import Calls
internal import Telemetry

/// The last stage of the pipeline: requests that pass are given Weir's own trace context, where the settings ask for
/// that.
struct InjectionStage {
    /// Makes the context: that of the span of the request being prepared.
    var tracer: Tracer? { didSet { isActive = tracer?.isInjecting == true } }
    /// True if requests of any protocol are given a context: asking the tracer itself would retain it.
    private(set) var isActive = false

    /// The trace context for a request of a protocol; nothing when its own context is left alone.
    func fields(_ callProtocol: CallProtocol) -> [InsertedField] {
        guard isActive, let tracer else { return [] }
        return tracer.injection(callProtocol)
    }

    /// Counts what became of a request that was to be given a context.
    func note(_ result: TracingCounters.Injection) {
        if isActive { tracer?.noteInjection(result) }
    }

    /// Counts a request of a protocol that would have been given one and cannot be.
    func noteMissed(_ result: TracingCounters.Injection, _ callProtocol: CallProtocol) {
        if isActive, let tracer, tracer.injects(callProtocol) { tracer.noteInjection(result) }
    }
}
