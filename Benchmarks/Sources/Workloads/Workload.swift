/// Something whose cost is measured, the same for the stop watch and for the instruction counter.
public struct Workload: Sendable {
    /// Repetitions come in multiples of this: it is a multiple of every workload's own round.
    public static let round = 400

    /// A dotted name that says what one repetition is.
    public let name: String
    /// Makes everything ready and tries it out; what it returns repeats the operation as often as it is told.
    public let prepare: @Sendable () throws -> (_ repetitions: Int) -> Void

    init(_ name: String, prepare: @escaping @Sendable () throws -> (Int) -> Void) {
        self.name = name
        self.prepare = prepare
    }

    /// Every workload there is.
    public static let all = dubbo + hessian + inspection + streams + telemetry + limits + capture
}

/// Takes a result that nobody wants, so that the optimiser must let it be computed.
@inline(never)
@_optimize(none)
func keep(_ value: some BitwiseCopyable) {}
