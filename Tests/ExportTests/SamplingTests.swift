import Logging
import Synchronization
import TestSupport
import Telemetry
import Testing

@testable import Export

/// Jaeger's sampling strategies.
@Suite struct SamplingStrategiesTests {
    @Test(
        "Jaeger's answers are understood",
        arguments: [
            (
                #"{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.25}}"#,
                SamplingStrategies(fallback: .ratio(0.25))
            ),
            (
                #"{"strategyType":0,"probabilisticSampling":{"samplingRate":1},"rateLimitingSampling":null}"#,
                SamplingStrategies(fallback: .ratio(1))
            ),
            (
                #"{"strategyType":"RATE_LIMITING","rateLimitingSampling":{"maxTracesPerSecond":5}}"#,
                SamplingStrategies(fallback: .perSecond(5))
            ),
            (
                #"{"strategyType":1,"rateLimitingSampling":{"maxTracesPerSecond":-5}}"#,
                SamplingStrategies(fallback: .perSecond(0))
            ),
            (#"{"rateLimitingSampling":{"maxTracesPerSecond":2}}"#, SamplingStrategies(fallback: .perSecond(2))),
            (
                #"""
                {"strategyType":"PROBABILISTIC","more":[1,{}],"operationSampling":{"defaultSamplingProbability":0.5,
                "defaultLowerBoundTracesPerSecond":0.1,"perOperationStrategies":[
                {"operation":"a/b","probabilisticSampling":{"samplingRate":2}},
                {"operation":"c","probabilisticSampling":{"samplingRate":-1},"x":"y"},{"operation":"d"}]}}
                """#,
                SamplingStrategies(fallback: .ratio(0.5), lowerBoundPerSecond: 0.1, ratios: ["a/b": 1, "c": 0])
            ),
        ]
    )
    func answers(_ json: String, _ strategies: SamplingStrategies) throws {
        #expect(try SamplingStrategies(json: Array(json.utf8)) == strategies)
    }

    @Test(
        "what is 0 may be left out, in every place",
        arguments: [
            (#"{"probabilisticSampling":{}}"#, SamplingStrategies(fallback: .ratio(0))),
            (#"{"strategyType":"PROBABILISTIC","probabilisticSampling":{}}"#, SamplingStrategies(fallback: .ratio(0))),
            (
                #"{"strategyType":0,"probabilisticSampling":{},"rateLimitingSampling":{"maxTracesPerSecond":3}}"#,
                SamplingStrategies(fallback: .ratio(0))
            ),
            (#"{"rateLimitingSampling":{}}"#, SamplingStrategies(fallback: .perSecond(0))),
            (
                #"{"strategyType":"RATE_LIMITING","rateLimitingSampling":{}}"#,
                SamplingStrategies(fallback: .perSecond(0))
            ),
            (#"{"operationSampling":{}}"#, SamplingStrategies(fallback: .ratio(0))),
            (
                #"{"probabilisticSampling":{"samplingRate":0.5},"operationSampling":{"perOperationStrategies":[]}}"#,
                SamplingStrategies(fallback: .ratio(0))
            ),
            (
                #"""
                {"probabilisticSampling":{"samplingRate":0.5},"operationSampling":{"defaultSamplingProbability":0.5,
                "perOperationStrategies":[{"operation":"a","probabilisticSampling":{}},{"operation":"b"},{},
                {"probabilisticSampling":{"samplingRate":0.25}}]}}
                """#,
                SamplingStrategies(fallback: .ratio(0.5), ratios: ["a": 0, "": 0.25])
            ),
        ]
    )
    func zeros(_ json: String, _ strategies: SamplingStrategies) throws {
        #expect(try SamplingStrategies(json: Array(json.utf8)) == strategies)
    }

    @Test(
        "anything else is no answer",
        arguments: [
            "", "{", "[]", "{}", "null", #"{"strategyType":"PROBABILISTIC"}"#, #"{"strategyType":[]}"#,
            #"{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":"much"}}"#,
            #"{"strategyType":"RATE_LIMITING"}"#, #"{"strategyType":1,"probabilisticSampling":{"samplingRate":1}}"#,
            #"{"operationSampling":{"perOperationStrategies":[{"operation":1}]}}"#,
            "\u{0}",
        ]
    )
    func broken(_ json: String) {
        #expect(throws: (any Error).self) { try SamplingStrategies(json: Array(json.utf8)) }
    }

    @Test("bytes of any kind do no harm")
    func noise() {
        var random = SeededRandom(seed: 3)
        let answer = Array(#"{"strategyType":0,"probabilisticSampling":{"samplingRate":0.5}}"#.utf8)
        for _ in 0..<2_000 {
            var bytes = answer
            for _ in 0..<3 { bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255) }
            if let read = try? SamplingStrategies(json: bytes), case .ratio(let ratio) = read.fallback {
                #expect((0...1).contains(ratio))
            }
        }
    }

    @Test("the service's name goes into the query")
    func url() throws {
        for (url, expected) in [
            ("http://j:5778/sampling", "http://j:5778/sampling?service=a%20b%26%C3%A4-._~"),
            ("http://j:14268/api/sampling?x=1", "http://j:14268/api/sampling?x=1&service=a%20b%26%C3%A4-._~"),
            ("http://j", "http://j:80?service=a%20b%26%C3%A4-._~"),
        ] {
            let sampling = try RemoteSampling(
                url: url,
                serviceName: { "a b&ä-._~" },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                deliver: { _ in }
            )
            #expect(sampling.url == expected)
        }
    }
}

/// Asking a server for them.
@Suite(.serialized, .enabled(if: Collector.isThere, Collector.missing))
struct RemoteSamplingTests {
    /// What was delivered.
    private final class Delivered: Sendable {
        private let list = Mutex([SamplingStrategies]())
        var all: [SamplingStrategies] { list.withLock { $0 } }
        func add(_ strategies: SamplingStrategies) { list.withLock { $0.append(strategies) } }
    }

    private func answer(_ ratio: Double) -> String {
        #"strategies {"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":\#(ratio)}}"#
    }

    @Test("changes are delivered, and the last good strategies stay when the server fails temporarily")
    func polling() async throws {
        let collector = try await Collector()
        let delivered = Delivered()
        let log = LogLines()
        try await collector.obey(answer(0.5))
        let port = try #require(collector.port(.http))
        let sampling = try RemoteSampling(
            url: "http://127.0.0.1:\(port)/sampling",
            interval: .seconds(1),
            serviceName: { "greeter" },
            logger: log.logger,
            deliver: { delivered.add($0) }
        )
        try await running(sampling) {
            try await eventually("the first strategies") { delivered.all.count == 1 }
            try await collector.obey("strategies {")
            try await eventually("trouble") { log.lines.contains { $0.contains("sampling strategies") } }
            try await collector.obey("status 500 1")
            let asked = collector.asked.count
            try await eventually("it is asked again") { collector.asked.count > asked + 1 }
            try await collector.obey("away")
            try await collector.obey("back")
            try await collector.obey(answer(0.25))
            try await eventually("the next strategies") { delivered.all.count == 2 }
        }
        #expect(delivered.all.map(\.fallback) == [.ratio(0.5), .ratio(0.25)])
        #expect(collector.asked.allSatisfy { $0 == "/sampling?service=greeter" })
        #expect(log.lines.count == 1)
    }

    @Test("an answer without end is not read")
    func tooLong() async throws {
        let collector = try await Collector()
        let delivered = Delivered()
        let log = LogLines()
        let spaces = String(repeating: "x", count: RemoteSampling.maxBytes)
        try await collector.obey(answer(0.5).dropLast() + #","more":"\#(spaces)"}"#)
        let sampling = try RemoteSampling(
            url: "http://127.0.0.1:\(try #require(collector.port(.http)))",
            serviceName: { "greeter" },
            logger: log.logger,
            deliver: { delivered.add($0) }
        )
        try await running(sampling) {
            try await eventually("trouble") { log.lines.contains { $0.contains("sampling strategies") } }
        }
        #expect(delivered.all.isEmpty)
    }
}
