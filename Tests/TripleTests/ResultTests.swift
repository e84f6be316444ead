import Calls
import TestSupport
import Testing
import Triple
import Wire

@Suite struct ResultTests {
    private func head(http: UInt16 = 200, grpc: Int16? = nil, exception: Bool = false) -> TripleResponseHead {
        var head = TripleResponseHead()
        head.httpStatus = http
        head.hasExceptionCode = exception
        if let grpc { head.grpcStatus = grpc }
        return head
    }

    @Test("every grpc-status has its outcome, and is its own code")
    func statuses() {
        let outcomes: [(Outcome, [Int16])] = [
            (.ok, [0]), (.cancelled, [1]), (.clientError, [3, 5, 6, 7, 9, 11, 12, 16]), (.timeout, [4]),
            (.businessError, [17]), (.serverError, [2, 8, 10, 13, 14, 15, 18, 42, 99]),
        ]
        #expect(Set(outcomes.flatMap(\.1)).isSuperset(of: 0...18))
        for (outcome, statuses) in outcomes {
            for status in statuses {
                for form in [TripleForm.grpc, .http] {
                    for http: UInt16 in [0, 200, 404, 500] {
                        let result = TripleResult(reply: head(http: http, grpc: status), form: form)
                        #expect(result == TripleResult(outcome: outcome, code: Int32(status)), "\(status)")
                    }
                }
            }
        }
    }

    @Test("an exception of the application comes with status 0")
    func exceptions() {
        let thrown = TripleResult(reply: head(grpc: 0, exception: true), form: .grpc)
        #expect(thrown == TripleResult(outcome: .businessError, code: 0))
        let failed = TripleResult(reply: head(grpc: 13, exception: true), form: .grpc)
        #expect(failed == TripleResult(outcome: .serverError, code: 13))
        let plain = TripleResult(reply: head(exception: true), form: .http)
        #expect(plain == TripleResult(outcome: .businessError, code: 200))
    }

    @Test(
        "without grpc-status the HTTP status decides, a gRPC reply without either is unknown",
        arguments: [
            (200, .http, .ok, 200), (204, .http, .ok, 204), (200, .grpc, .serverError, 2), (0, .grpc, .serverError, 2),
            (0, .http, .serverError, 2), (302, .http, .serverError, 302), (400, .http, .clientError, 400),
            (404, .grpc, .clientError, 404), (429, .http, .clientError, 429), (500, .http, .serverError, 500),
            (503, .grpc, .serverError, 503), (999, .http, .serverError, 999), (100, .http, .serverError, 100),
        ] as [(UInt16, TripleForm, Outcome, Int32)]
    )
    func http(status: UInt16, form: TripleForm, outcome: Outcome, code: Int32) {
        #expect(TripleResult(reply: head(http: status), form: form) == TripleResult(outcome: outcome, code: code))
    }

    @Test("a field that could not be told may have been the status, unless another says it")
    func untold() {
        func result(_ change: (inout TripleResponseHead) -> Void, _ form: TripleForm = .grpc) -> TripleResult {
            var head = head()
            head.hasUnknown = true
            change(&head)
            return TripleResult(reply: head, form: form)
        }
        let unknown = TripleResult(outcome: .unknown, code: ResultCode.none)
        #expect(result { _ in } == unknown && result { $0.httpStatus = 0 } == unknown)
        #expect(result({ $0.httpStatus = 0 }, .http) == unknown)
        #expect(result { $0.grpcStatus = 14 } == TripleResult(outcome: .serverError, code: 14))
        #expect(result { $0.httpStatus = 404 } == TripleResult(outcome: .clientError, code: 404))
        #expect(result({ _ in }, .http) == TripleResult(outcome: .ok, code: 200))
    }

    @Test("a reset before the reply: by the caller he gave up, by the callee its code is gRPC's")
    func resets() {
        func result(_ code: UInt32, _ by: TripleResetter) -> TripleResult {
            TripleResult(reset: code, by: by, head: head(), form: .grpc, isReplyComplete: false)
        }
        for code: UInt32 in [0, 5, 8, 2, .max] {
            #expect(result(code, .caller) == TripleResult(outcome: .cancelled, code: 1))
        }
        let codes: [(UInt32, Outcome, Int32)] = [
            (0, .serverError, 13), (1, .serverError, 13), (2, .serverError, 13), (3, .serverError, 13),
            (4, .serverError, 13), (5, .serverError, 2), (6, .serverError, 13), (7, .serverError, 14),
            (8, .cancelled, 1), (9, .serverError, 13), (10, .serverError, 13), (11, .serverError, 8),
            (12, .clientError, 7), (13, .serverError, 2), (.max, .serverError, 2),
        ]
        for (code, outcome, status) in codes {
            #expect(result(code, .callee) == TripleResult(outcome: outcome, code: status), "\(code)")
        }
    }

    @Test("a reset behind the reply changes nothing")
    func lateResets() {
        for by in [TripleResetter.caller, .callee] {
            let grpc = TripleResult(reset: 8, by: by, head: head(grpc: 5), form: .grpc, isReplyComplete: false)
            #expect(grpc == TripleResult(outcome: .clientError, code: 5))
            let http = TripleResult(reset: 0, by: by, head: head(), form: .http, isReplyComplete: true)
            #expect(http == TripleResult(outcome: .ok, code: 200))
        }
    }
}

@Suite struct RefusalTests {
    private func texts(_ fields: [TripleField]) -> [String] {
        fields.map { "\($0.name.text): " + String(decoding: $0.value, as: UTF8.self) }
    }

    private func trailersOnly(_ refusal: TripleLocalReply, _ contentType: String) -> [String] {
        let bytes = Array(contentType.utf8)
        return texts(refusal.trailersOnly(contentType: bytes.span.bytes))
    }

    @Test("a gRPC refusal is one block: status, content type as asked, code, encoded text, hint")
    func grpc() {
        let refusal = TripleLocalReply(.limited, message: "100% of 用 + 1", retryAfterNanoseconds: 1_500_000)
        #expect(
            trailersOnly(refusal, "application/grpc+proto") == [
                ":status: 200", "content-type: application/grpc+proto", "grpc-status: 8",
                "grpc-message: 100%25 of %E7%94%A8 %2B 1", "grpc-retry-pushback-ms: 2",
            ]
        )
        let drained = TripleLocalReply(.drained, message: "transport is closing")
        #expect(
            trailersOnly(drained, "application/grpc") == [
                ":status: 200", "content-type: application/grpc", "grpc-status: 14",
                "grpc-message: transport is closing",
            ]
        )
    }

    @Test(
        "a content type that is not gRPC's, is long or holds control characters is not repeated",
        arguments: [
            "", "text/html", "application/grpc+a\r\nb", "application/grpc+" + String(repeating: "x", count: 64),
        ]
    )
    func contentTypes(value: String) {
        let fields = trailersOnly(TripleLocalReply(.limited, message: "no"), value)
        #expect(fields[1] == "content-type: application/grpc")
    }

    @Test("a plain HTTP refusal is a status and a JSON body")
    func http() {
        let limited = TripleLocalReply(.limited, message: "too \"many\"", retryAfterNanoseconds: 1)
        #expect(limited.reason.httpStatus == 429 && limited.reason.outcome == .limited)
        #expect(texts(limited.httpFields) == ["content-type: application/json", "retry-after: 1"])
        #expect(
            String(decoding: limited.httpBody, as: UTF8.self)
                == #"{"code":"resource_exhausted","message":"too \"many\""}"#
        )
        let drained = TripleLocalReply(.drained, message: "", retryAfterNanoseconds: .max)
        #expect(drained.reason.httpStatus == 503 && drained.reason.outcome == .drained)
        #expect(texts(drained.httpFields)[1] == "retry-after: 2147483647")
        #expect(String(decoding: drained.httpBody, as: UTF8.self) == #"{"code":"unavailable","message":""}"#)
    }

    @Test("a caller reads the refusal as Weir counts it")
    func agreement() {
        for reason in [TripleLocalReply.Reason.limited, .drained] {
            let fields = TripleLocalReply(reason, message: "no").trailersOnly(contentType: [UInt8]().span.bytes)
            var head = TripleResponseHead()
            var texts = PrefixBuffer(limitBytes: 100)
            for field in fields { head.take(field.name.rawValue, field.value.span.bytes, into: &texts) }
            #expect(TripleResult(reply: head, form: .grpc).code == Int32(reason.grpcStatus))
        }
    }

    @Test("giving a refusal out allocates nothing for the usual content type")
    func cost() {
        let refusal = TripleLocalReply(.limited, message: "no")
        let type = Array("application/grpc".utf8)
        var count = 0
        let allocated = allocationsWhenWarm {
            for _ in 0..<100 { count += refusal.trailersOnly(contentType: type.span.bytes).count }
        }
        #expect(allocated == 0 && count == 800)
    }
}
