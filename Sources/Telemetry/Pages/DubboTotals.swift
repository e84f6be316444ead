internal import Calls

/// The outcome of a call in the categories of Dubbo's own metrics.
///
/// Java distinguishes them by the code of an `RpcException`, dubbo-go by that of the error; here they follow from the
/// wire. The end of `lost` and `unknown` calls is not known, and the service did not end `cancelled` ones: they are
/// neither.
enum DubboResult: Int, CaseIterable {
    case succeeded
    case businessFailed
    case timedOut
    case limited
    case serviceUnavailable
    case networkFailed
    case codecFailed
    case unknownFailed
    case neither

    /// The category of a call.
    ///
    /// - Parameters:
    ///   - outcome: The call's outcome.
    ///   - code: The protocol's own code.
    ///   - callProtocol: The protocol of the code.
    ///   - side: The side that Weir is on.
    init(_ outcome: Outcome, code: Int32, callProtocol: CallProtocol, side: Side) {
        self =
            switch outcome {
            case .ok, .oneway: .succeeded
            case .businessError: .businessFailed
            case .timeout: .timedOut
            case .limited: .limited
            case .drained: .serviceUnavailable
            // What a consumer calls a failure of the network is an application that went away to the provider.
            case .unanswered: side == .consumer ? .networkFailed : .unknownFailed
            case .clientError, .serverError: Self.failure(code, callProtocol)
            case .cancelled, .lost, .unknown: .neither
            }
    }

    private static func failure(_ code: Int32, _ callProtocol: CallProtocol) -> DubboResult {
        switch callProtocol.traits.codes.dubboFailures[code] {
        case .codec: .codecFailed
        case .serviceUnavailable: .serviceUnavailable
        case .limited: .limited
        case nil: .unknownFailed
        }
    }
}

/// The sums over operations that Dubbo's own metrics do not tell apart: those that differ in the protocol only.
struct DubboTotals {
    /// Ended calls by ``DubboResult``.
    var results = [UInt64](repeating: 0, count: DubboResult.allCases.count)
    var inFlight: Int64 = 0
    /// The durations of answered calls, without classic buckets and exemplars.
    var duration: HistogramSnapshot

    /// Zero totals.
    init() {
        duration = HistogramSnapshot()
        duration.classic = []
    }

    /// Ended calls.
    var ended: UInt64 { results.reduce(0, &+) }
    /// Ended calls and those in flight; never decreases.
    var begun: UInt64 { ended &+ UInt64(bitPattern: inFlight) }
    /// Ended calls that failed.
    var failed: UInt64 { ended &- results[.succeeded] &- results[.neither] }

    /// True if nothing happened between the two moments.
    func isEqual(_ other: DubboTotals) -> Bool { results == other.results && inFlight == other.inFlight }

    mutating func add(_ report: OperationReport) {
        for result in report.results {
            let kind = DubboResult(
                result.outcome,
                code: result.value,
                callProtocol: report.operation.callProtocol,
                side: report.side
            )
            results[kind.rawValue] &+= result.count
        }
        inFlight &+= report.inFlight
        duration.merge(report.duration)
        duration.exemplars = []
    }

    /// The difference to an earlier moment.
    func since(_ earlier: DubboTotals?) -> DubboTotals {
        guard let earlier else { return self }
        var rest = self
        for at in results.indices { rest.results[at] -= min(results[at], earlier.results[at]) }
        rest.inFlight &-= earlier.inFlight
        rest.duration = duration.since(earlier.duration)
        return rest
    }
}

extension [UInt64] {
    /// The number of one result.
    subscript(result: DubboResult) -> UInt64 { self[result.rawValue] }
}

/// The operations that Dubbo's own metrics count together.
struct DubboServices {
    /// The names in its labels.
    struct Key: Hashable {
        var interface: String
        var method: String
        var group: String
        var version: String
    }

    /// The names by number; numbers stay what they are.
    private(set) var keys: [Key] = []
    private var numbers: [Key: Int] = [:]
    /// Its number plus one, by operation index; 0 if it is not known yet.
    private var numberOf: [Int] = []

    /// The sums by number and side; twice the number and the side's raw value.
    mutating func totals(_ reports: [OperationReport]) -> [DubboTotals?] {
        var totals: [DubboTotals?] = []
        for report in reports {
            let at = number(report) * 2 + Int(report.side.rawValue)
            while totals.count <= at { totals.append(nil) }
            if totals[at]?.add(report) == nil {
                var new = DubboTotals()
                new.add(report)
                totals[at] = new
            }
        }
        return totals
    }

    private mutating func number(_ report: OperationReport) -> Int {
        let index = report.id.index
        while numberOf.count <= index { numberOf.append(0) }
        if numberOf[index] > 0 { return numberOf[index] - 1 }
        let operation = report.operation
        let key = Key(
            interface: operation.interface,
            method: operation.method,
            group: operation.group,
            version: operation.version
        )
        let number = numbers[key] ?? keys.count
        if number == keys.count {
            numbers[key] = number
            keys.append(key)
        }
        numberOf[index] = number + 1
        return number
    }
}
