/// A stage of the ``RequestPipeline`` that the owner of an ``Inspector`` plugs in: the place of inspection rules.
///
/// It is asked between drains and limits. Without one, and with neither drains nor limits nor injected trace contexts,
/// sessions only read along and pass everything on at once; with one, a request is held back until its names are known.
public protocol RequestStage: AnyObject {
    /// Decides about a request, or about a batch by its first call.
    ///
    /// - Parameter request: What is known of it.
    /// - Returns: What becomes of it. A reply to a request that cannot be answered is not carried out, and counted in
    ///   `weir_verdicts_partial_total`.
    func decide(on request: CallRequest) -> Decision
}
