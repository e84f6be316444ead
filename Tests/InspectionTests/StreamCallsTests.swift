import Calls
import HTTP2
import Policy
import Telemetry
import TestSupport
import Testing
import Triple
import Wire

@testable import Inspection

/// Calls of streams, without frames.
@Suite struct StreamCallsTests {
    private let bench = Bench(.calls)
    private let calls = StreamCalls(requests: .toUpstream)
    private let session: Session

    init() { session = bench.open() }

    private func context(_ now: UInt64) -> ConnectionContext {
        ConnectionContext(bench.inspector, session, now: now, isForwarded: true)
    }

    /// The headers of those fields.
    private func headers(_ fields: [(TripleHeaderName, String)], isRequest: Bool) -> HeaderTextsBox {
        let box = HeaderTextsBox()
        box.texts.begin(isRequest: isRequest, isReply: !isRequest, wantsFields: false, selector: .none)
        for (name, value) in fields {
            let bytes = Array(value.utf8)
            box.texts.take(name.rawValue, bytes.byteSpan)
        }
        return box
    }

    private func open(_ id: UInt32, _ path: String, endsStream: Bool = true) -> StreamCalls.Opening {
        let box = headers([(.path, path), (.contentType, "application/grpc")], isRequest: true)
        calls.streams.noteOpened(id)
        let block = StreamCalls.Block(id: id, start: 1000, bytes: 50, endsStream: endsStream)
        return calls.open(StreamCalls.Request(block: block), box.texts, context: context(1000))
    }

    private func reply(_ id: UInt32, status: String, endsStream: Bool = true) {
        let box = headers([(.status, "200"), (.grpcStatus, status)], isRequest: false)
        let block = StreamCalls.Block(id: id, start: 2000, bytes: 20, endsStream: endsStream)
        calls.takeReply(block, box.texts, place: calls.streams.place(of: id), context: context(2000))
    }

    @Test("a request opens a call, and the block that ends its reply closes it")
    func call() {
        guard case .passed = open(1, "/com.x.Shop/buy").event else {
            Issue.record("it passes")
            return
        }
        #expect(session.inFlight == 1 && !calls.isEnded(1) && !calls.hasReplyBegun(1))
        reply(1, status: "0")
        #expect(session.inFlight == 0 && session.finishedCalls == 1 && calls.streams.count == 0 && calls.isEnded(1))
        #expect(!calls.isEnded(3), "it was not opened")
    }

    @Test("health and other standing streams are no calls; a watch is told to the connection")
    func watch() {
        guard case .watches = open(1, "/grpc.health.v1.Health/Watch").event else {
            Issue.record("it is a health stream")
            return
        }
        #expect(session.inFlight == 0 && calls.streams.count == 1 && !calls.streams.hasRequests)
    }

    @Test("a reset by the callee ends the call with its code, one by the caller waits for trailers")
    func resets() {
        _ = open(1, "/com.x.Shop/buy")
        _ = open(3, "/com.x.Shop/buy")
        calls.reset(1, code: 7, by: .callee, context: context(2000))
        #expect(session.inFlight == 1 && session.finishedCalls == 1)
        calls.reset(3, code: 8, by: .caller, context: context(2000))
        #expect(session.inFlight == 0 && session.finishedCalls == 1 && calls.streams.count == 1)
        calls.endGivenUp(3, context(2100))
        #expect(session.finishedCalls == 2 && calls.streams.count == 0)
    }

    @Test("streams above the last one that a server looks at will not be answered")
    func goneAway() {
        for id: UInt32 in [1, 3, 5] { _ = open(id, "/com.x.Shop/buy") }
        calls.endAbove(1, context(2000))
        #expect(session.inFlight == 1 && session.finishedCalls == 2 && calls.streams.count == 1)
        calls.close(context(3000))
    }
}
