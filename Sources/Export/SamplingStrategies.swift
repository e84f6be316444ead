internal import FoundationEssentials
internal import Telemetry

extension SamplingStrategies {
    /// Reads the answer of Jaeger's `/api/sampling`.
    ///
    /// Fields that are not known here are passed over; numbers outside of their range are brought into it. Servers
    /// leave out what is 0, as proto3 allows: a message that is there without a number means 0, one that is not there
    /// means nothing.
    ///
    /// - Parameter json: The answer's body.
    /// - Throws: `DecodingError` for anything that is no such answer.
    ///
    /// Source: Jaeger, `sampling.proto` in its JSON form.
    init(json: [UInt8]) throws {
        let answer = try JSONDecoder().decode(Answer.self, from: Data(json))
        let operations = answer.operationSampling
        let isRate: Bool
        switch answer.strategyType {
        case .number(let number): isRate = number == 1
        case .name(let name): isRate = name == "RATE_LIMITING"
        case nil: isRate = answer.probabilisticSampling == nil && answer.rateLimitingSampling != nil
        }
        let fallback: Fallback
        if let operations {
            fallback = .ratio(Self.share(operations.defaultSamplingProbability ?? 0))
        } else if isRate, let limiting = answer.rateLimitingSampling {
            fallback = .perSecond(max(limiting.maxTracesPerSecond ?? 0, 0))
        } else if !isRate, let probabilistic = answer.probabilisticSampling {
            fallback = .ratio(Self.share(probabilistic.samplingRate ?? 0))
        } else {
            throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "no strategy"))
        }
        var ratios: [String: Double] = [:]
        for strategy in operations?.perOperationStrategies ?? [] {
            guard let probabilistic = strategy.probabilisticSampling else { continue }
            ratios[strategy.operation ?? ""] = Self.share(probabilistic.samplingRate ?? 0)
        }
        let floor = max(operations?.defaultLowerBoundTracesPerSecond ?? 0, 0)
        self.init(fallback: fallback, lowerBoundPerSecond: floor, ratios: ratios)
    }

    private static func share(_ ratio: Double) -> Double { min(max(ratio, 0), 1) }
}

/// The form of the answer.
private struct Answer: Decodable {
    let strategyType: StrategyType?
    let probabilisticSampling: Probabilistic?
    let rateLimitingSampling: RateLimiting?
    let operationSampling: PerOperation?

    struct Probabilistic: Decodable {
        let samplingRate: Double?
    }

    struct RateLimiting: Decodable {
        let maxTracesPerSecond: Double?
    }

    struct PerOperation: Decodable {
        let defaultSamplingProbability: Double?
        let defaultLowerBoundTracesPerSecond: Double?
        let perOperationStrategies: [OperationStrategy]?
    }

    struct OperationStrategy: Decodable {
        let operation: String?
        let probabilisticSampling: Probabilistic?
    }

    /// Some servers give the enum's name and some its number.
    enum StrategyType: Decodable {
        case name(String)
        case number(Int)

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let number = try? value.decode(Int.self) {
                self = .number(number)
            } else {
                self = .name(try value.decode(String.self))
            }
        }
    }
}
