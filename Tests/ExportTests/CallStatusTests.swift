import Calls
import Testing

@testable import Export

/// OpenTelemetry's table of errors, by protocol and side.
@Suite struct CallStatusTests {
    private func status(_ outcome: Outcome, _ code: Int32, _ callProtocol: CallProtocol, _ side: Side) -> CallStatus {
        let call = FinishedCall(
            operation: OperationID(rawValue: 0),
            side: side,
            outcome: outcome,
            code: code,
            startNanoseconds: 0,
            durationNanoseconds: 0,
            requestBytes: 0,
            responseBytes: 0
        )
        return CallStatus(call, callProtocol, exception: "")
    }

    @Test("a server's errors are only its own faults")
    func servers() {
        let dubbo: [(Int32, Bool)] = [
            (31, true), (70, true), (80, true), (100, true), (25, false), (30, false), (40, false), (50, false),
            (60, false), (90, false),
        ]
        for (code, isError) in dubbo {
            #expect(status(.serverError, code, .dubbo, .provider).isError == isError, "\(code)")
            #expect(status(.clientError, code, .dubbo, .consumer).isError, "\(code)")
        }
        let errors: Set<Int32> = [2, 4, 12, 13, 14, 15]
        for code: Int32 in 1...16 {
            #expect(status(.serverError, code, .triple, .provider).isError == errors.contains(code), "\(code)")
            #expect(status(.clientError, code, .triple, .consumer).isError, "\(code)")
        }
        #expect(status(.clientError, -32_600, .jsonrpc, .provider).isError)
        #expect(status(.serverError, ResultCode.none, .dubbo, .provider).isError)
        #expect(!status(.clientError, ResultCode.none, .dubbo, .provider).isError)
    }

    @Test("every outcome has a status and a type of error or none")
    func outcomes() {
        // On the provider's and on the consumer's side.
        let table: [(Outcome, Bool, Bool)] = [
            (.ok, false, false), (.businessError, true, true), (.timeout, true, true), (.cancelled, false, true),
            (.unanswered, true, true), (.limited, false, true), (.drained, false, true), (.oneway, false, false),
            (.lost, false, false), (.unknown, false, false),
        ]
        for (outcome, provider, consumer) in table {
            for (side, isError) in [(Side.provider, provider), (.consumer, consumer)] {
                for callProtocol in CallProtocol.allCases {
                    let found = status(outcome, ResultCode.none, callProtocol, side)
                    #expect(found.isError == isError, "\(outcome) \(side)")
                    let type = isError || outcome == .lost ? "\(outcome.label)" : nil
                    #expect(found.errorType == type, "\(outcome) \(side)")
                }
            }
        }
    }

    @Test("the type of an error is the code's name")
    func types() {
        #expect(status(.serverError, 80, .dubbo, .provider).errorType == "SERVER_ERROR")
        #expect(status(.timeout, 31, .dubbo, .provider).errorType == "SERVER_TIMEOUT")
        #expect(status(.serverError, 14, .triple, .consumer).errorType == "UNAVAILABLE")
        #expect(status(.clientError, -32_601, .jsonrpc, .consumer).errorType == "-32601")
        #expect(status(.businessError, 20, .dubbo, .consumer).errorType == "business_error")
    }
}
