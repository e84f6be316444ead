internal import HTTP2
internal import Triple
internal import Wire

/// A stream of `grpc.health.v1.Health/Watch`: its client waits to be told how a service is.
struct HealthWatch {
    /// The most bytes of a message that are kept: those of a status have two.
    private static let maxMessageBytes = 1024

    /// The DATA that the client still accepts on the stream.
    var window: FlowWindow
    /// The interface that is watched, empty for the whole server; `nil` while it is not known.
    var interface: String?
    private var requests = GRPCMessageReader()
    private var replies = GRPCMessageReader()
    /// The message being read, with gRPC's prefix.
    private var message: [UInt8] = []
    private var isMessageKept = true
    /// The server's last message; `nil` before the first one.
    private(set) var last: [UInt8]?
    /// The last message that the client was told.
    var told: [UInt8]?
    /// True if its service is drained.
    var isDrained = false
    /// True if the server's messages do not reach the client.
    var isWithholding = false
    /// Withheld DATA that is to be credited back.
    var creditBytes: UInt32 = 0

    init(window: FlowWindow) { self.window = window }

    /// The message that the client is to be told; `nil` if it was told.
    var due: [UInt8]? {
        let wanted = isDrained ? HealthStatus.notServing : last
        return wanted == told ? nil : wanted
    }

    var isDue: Bool { due != nil }

    /// True if the server is in the middle of a message.
    var isInsideMessage: Bool { replies.isInsideMessage }

    /// True if its messages cannot be found.
    var isDamaged: Bool { requests.isDamaged || replies.isDamaged }

    /// Content of the request's DATA.
    ///
    /// - Returns: True if the interface is known from here on.
    mutating func takeRequest(_ piece: RawSpan) -> Bool {
        var at = 0
        while let part = requests.next(piece, &at) {
            guard interface == nil, requests.messageCount <= 1 else { continue }
            keep(part, piece)
            guard part.isEnd, isMessageKept, !part.isCompressed else { continue }
            let bytes = Array(message.dropFirst(GRPCMessageReader.prefixBytes))
            let payload = bytes.byteSpan
            guard let health = HealthRequest(payload) else { continue }
            interface = payload.slice(health.interface(in: payload)).text
        }
        return interface != nil
    }

    /// Content of a reply's DATA.
    mutating func takeReply(_ piece: RawSpan) {
        var at = 0
        while let part = replies.next(piece, &at) {
            keep(part, piece)
            guard part.isEnd else { continue }
            // What is too long to be said again was no status that anyone knows.
            last = isMessageKept ? message : HealthStatus.serving
            if !isWithholding { told = last }
        }
    }

    private mutating func keep(_ part: GRPCMessagePart, _ piece: RawSpan) {
        if part.isStart {
            let length = part.lengthBytes
            message = [part.isCompressed ? 1 : 0] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) }
            isMessageKept = length <= Self.maxMessageBytes
        }
        if isMessageKept { message.append(piece.slice(part.payload)) }
    }
}
