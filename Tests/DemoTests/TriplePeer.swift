import HTTP2
import Triple

@testable import Demo

/// A bare HTTP/2 client, to test the demo's provider by single requests.
final class TriplePeer {
    /// What came of one stream.
    struct Outcome: Equatable {
        var status: Int16
        var messages: Int
        var hasException = false
    }

    let socket: DemoSocket
    private var reader = HTTP2Reader(isServer: false)
    private var buffer = [UInt8](repeating: 0, count: 4096)
    private var nextStreamID: UInt32 = 1
    /// How much more DATA the provider takes.
    private(set) var window = FlowWindow()
    private(set) var pongs = 0

    init?(port: UInt16) {
        guard let socket = DemoSocket.connect(to: "127.0.0.1", port: port, milliseconds: 1000) else { return nil }
        self.socket = socket
        guard socket.write(TripleBytes.clientHello()) else { return nil }
    }

    /// Sends a call: its stream.
    func send(_ call: TripleCall) -> UInt32? {
        let id = nextStreamID
        nextStreamID += 2
        window.forward(TripleBytes.dataBytes(call.message))
        let bytes = TripleBytes.request(call, streamID: id, application: "test", traceParent: nil)
        return socket.write(bytes) ? id : nil
    }

    /// The next event; `nil` when the connection has ended.
    func next() throws -> HTTP2Event? {
        while true {
            if let event = try reader.next() {
                if case .credit(let increment) = event { _ = try window.update(increment) }
                if case .pong = event { pongs += 1 }
                return event
            }
            let due = reader.takeDue()
            if !due.isEmpty { _ = socket.write(due) }
            let count = socket.read(into: &buffer)
            if count == 0 { return nil }
            reader.append(buffer[..<count])
        }
    }

    /// What comes of a stream; other streams' events are passed over.
    func outcome(of streamID: UInt32) throws -> Outcome? {
        var (messages, hasException) = (GRPCMessageReader(), false)
        while let event = try next() {
            switch event {
            case .headers(streamID, let fields, let endsStream):
                hasException = hasException || fields.reply.hasExceptionCode
                guard endsStream else { continue }
                let count = Int(messages.messageCount)
                return Outcome(status: fields.reply.grpcStatus, messages: count, hasException: hasException)
            case .data(streamID, let bytes, _):
                var at = 0
                while messages.next(bytes.span.bytes, &at) != nil {}
            default: continue
            }
        }
        return nil
    }
}
