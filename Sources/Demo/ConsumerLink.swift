internal import Calls
internal import Dubbo
internal import Hessian
internal import Synchronization

/// One TCP connection of a consumer: what waits for a reply on it, and the thread that reads replies.
final class ConsumerLink: Sendable {
    /// How long a heartbeat may take.
    private static let heartbeatNanoseconds: UInt64 = 3_000_000_000

    private enum Waiting {
        case call(DemoCall)
        case heartbeat
    }

    private struct State {
        var isOpen = true
        var waiting: [UInt64: Waiting] = [:]
        /// The ids in `waiting`, and answered ones whose time has not come.
        var deadlines = DueQueue<UInt64>()
        var lastTimeout: UInt64 = 0
    }

    private let socket: DemoSocket
    private let tally: DemoTally
    private let state = Mutex(State())

    init(_ socket: DemoSocket, _ tally: DemoTally) {
        self.socket = socket
        self.tally = tally
    }

    var isOpen: Bool { state.withLock { $0.isOpen } }
    var hasPending: Bool { state.withLock { !$0.waiting.isEmpty } }
    var nextDeadline: UInt64? { state.withLock { $0.deadlines.nextDue } }
    /// When a call was last given up; 0 for never.
    var lastTimeout: UInt64 { state.withLock { $0.lastTimeout } }

    // MARK: Sending

    func send(_ call: DemoCall, id: UInt64, application: String, traceParent: String?) {
        // Counted first: no reply, not even one with a guessed id, may end a call that was not sent.
        tally.update {
            $0.count(sent: call)
            if call.isOneway { $0.count(call, ended: .oneway) }
        }
        if !call.isOneway { wait(for: .call(call), id: id, nanoseconds: call.timeoutMilliseconds * 1_000_000) }
        let frame = call.frame(id: id, application: application, traceParent: traceParent)
        if !socket.write(frame) { close() }
    }

    func heartbeat(id: UInt64) {
        wait(for: .heartbeat, id: id, nanoseconds: Self.heartbeatNanoseconds)
        tally.update { $0.heartbeats += 1 }
        if !socket.write(FrameBytes.heartbeat(id: id)) { close() }
    }

    private func wait(for waiting: Waiting, id: UInt64, nanoseconds: UInt64) {
        let deadline = DemoClock.now() + nanoseconds
        state.withLock {
            $0.waiting[id] = waiting
            $0.deadlines.insert(id, due: deadline)
        }
    }

    /// Gives up the calls whose deadline has passed.
    func expire(_ now: UInt64) {
        while true {
            let (id, waiting): (UInt64?, Waiting?) = state.withLock { state in
                let id = state.deadlines.popDue(at: now)
                let waiting = id.flatMap { state.waiting.removeValue(forKey: $0) }
                if waiting != nil { state.lastTimeout = now }
                return (id, waiting)
            }
            if id == nil { return }
            if case .call(let call)? = waiting { tally.update { $0.count(call, ended: .timeout) } }
        }
    }

    /// Ends the connection; calls that still wait are unanswered.
    func end() {
        close()
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting
        }
        tally.update { counts in
            for case .call(let call) in waiting.values { counts.count(call, ended: .unanswered) }
        }
    }

    private func close() {
        state.withLock { $0.isOpen = false }
        socket.shutDown()
    }

    // MARK: Receiving

    /// Reads replies until the connection ends.
    func readReplies() {
        var reader = BodyReader()
        var frames = FrameBuffer()
        var buffer = [UInt8](repeating: 0, count: 16_384)
        do throws(FrameError) {
            while case let count = socket.read(into: &buffer), count > 0 {
                frames.append(buffer[..<count])
                while let frame = try frames.next() { take(frame, &reader) }
            }
        } catch {
            tally.update { $0.decodeErrors += 1 }
        }
        close()
    }

    private func take(_ frame: DemoFrame, _ reader: inout BodyReader) {
        let header = frame.header
        if header.isRequest {
            // Dubbo 2.6 and dubbo-go providers send heartbeats too. A oneway event asks for nothing.
            guard header.isEvent, header.isTwoWay else { return }
            if !socket.write(FrameBytes.heartbeatReply(id: header.requestID)) { close() }
            return
        }
        let waiting = state.withLock { $0.waiting.removeValue(forKey: header.requestID) }
        switch waiting {
        case nil: tally.update { $0.lateReplies += 1 }
        case .heartbeat: tally.update { $0.heartbeatReplies += 1 }
        case .call(let call):
            let outcome = outcome(of: frame, &reader)
            tally.update { counts in
                if outcome == nil { counts.decodeErrors += 1 }
                counts.count(call, ended: outcome ?? .lost)
            }
        }
    }

    /// What a reply says; `nil` when its body cannot be read.
    private func outcome(of frame: DemoFrame, _ reader: inout BodyReader) -> Outcome? {
        reader.beginReply(frame.header, detail: .attachments)
        do throws(HessianError) {
            // SAFETY: the reader is done with the span when the call returns.
            _ = try unsafe reader.read(frame.body.span.bytes, isLast: true)
        } catch {
            return nil
        }
        return Outcome.of(status: frame.header.status, kind: reader.response.kind)
    }
}
