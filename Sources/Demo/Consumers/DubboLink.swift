internal import Calls
internal import Dubbo
internal import Hessian
internal import Wire

/// A connection that speaks Dubbo 2.
final class DubboLink: ConsumerLink {
    enum Waiting {
        case call(DemoCall)
        case heartbeat
    }

    /// The longest time for a heartbeat.
    private static let heartbeatNanoseconds: UInt64 = 3_000_000_000

    let pending = PendingCalls<Waiting>()
    private let socket: DemoSocket
    private let tally: DemoTally

    init(_ socket: DemoSocket, _ tally: DemoTally) {
        self.socket = socket
        self.tally = tally
    }

    // MARK: Sending

    func send(_ call: DemoCall, by application: DemoApplication<DemoCall>, traceParent: String?) {
        let id = application.requestID()
        // Counted first: no reply, not even one with a guessed id, may end a call that was not sent.
        tally.update {
            $0.count(sent: call)
            if call.isOneway { $0.count(call, ended: .oneway) }
        }
        if !call.isOneway { pending.insert(.call(call), id: id, nanoseconds: call.timeoutMilliseconds * 1_000_000) }
        let frame = call.frame(id: id, application: application.name, traceParent: traceParent)
        if !socket.write(frame) { close() }
    }

    func heartbeat(id: UInt64) {
        pending.insert(.heartbeat, id: id, nanoseconds: Self.heartbeatNanoseconds)
        tally.update { $0.heartbeats += 1 }
        if !socket.write(FrameBytes.heartbeat(id: id)) { close() }
    }

    func expire(_ now: UInt64) {
        while let (_, waiting) = pending.takeExpired(now) {
            if case .call(let call) = waiting { tally.update { $0.count(call, ended: .timeout) } }
        }
    }

    func end() {
        close()
        let waiting = pending.takeAll()
        tally.update { counts in
            for case .call(let call) in waiting { counts.count(call, ended: .unanswered) }
        }
    }

    private func close() {
        pending.close()
        socket.shutDown()
    }

    // MARK: Receiving

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
        switch pending.take(header.requestID) {
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

    /// The outcome in a reply; `nil` if its body cannot be read.
    private func outcome(of frame: DemoFrame, _ reader: inout BodyReader) -> Outcome? {
        reader.beginReply(frame.header, detail: .attachments)
        do throws(HessianError) {
            _ = try reader.read(frame.body.byteSpan, isLast: true)
        } catch {
            return nil
        }
        return Outcome.of(status: frame.header.status, kind: reader.response.kind)
    }
}
