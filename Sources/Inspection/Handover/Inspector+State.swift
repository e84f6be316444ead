public import Calls
internal import Policy
public import Telemetry
internal import Wire

/// Connections that go on in another process of the same machine, whose monotonic clock is the same.
///
/// A connection can be moved between two messages, while nothing of it is held back; its calls in flight go with it.
/// What does not go along: spans of calls in flight, callers for observers of calls, and what calls hold of limits on
/// calls in flight, which goes back with ``handOver(_:)``. The bytes may come from anywhere: whatever they are, nothing
/// traps, and ``ReportError`` is thrown at most.
extension Inspector {
    /// The version of the layout.
    fileprivate static let stateVersion: UInt64 = 1
    /// The most calls that are moved with a connection.
    static let maxMovedCalls = 65_536

    /// The state that another process needs to go on with a connection.
    ///
    /// - Parameter session: A connection's session; it is not changed.
    /// - Returns: The state for ``restore(_:side:connection:now:)``; `nil` if the connection cannot be moved now.
    public func state(of session: Session) -> [UInt8]? {
        guard session.heldUntil == nil, !tracker.correlated.isHome(session) else { return nil }
        var protocolState = ReportWriter()
        guard let name = stateName(of: session, &protocolState) else { return nil }
        var writer = ReportWriter()
        writer.add(Self.stateVersion)
        writer.add(word: session.connectionProtocol)
        writer.add(Int(session.client.rawValue))
        writer.add(session.calls.finished)
        writer.add(session.caller.name)
        writer.add(session.drain)
        writer.add(name.description)
        writer.add(protocolState.bytes)
        let calls = tracker.calls(of: session)
        guard calls.count <= Self.maxMovedCalls else { return nil }
        writer.add(each: calls) { $0.add($1, named: operations.registry[$1.operation]) }
        return ReportSeal.sealed(writer.bytes)
    }

    private func stateName(of session: Session, _ writer: inout ReportWriter) -> StaticString? {
        switch session.decoder {
        case .opaque: return "opaque"
        case .blind: return "blind"
        case .detecting: return session.detection.encode(to: &writer) ? "detecting" : nil
        case .dubbo(let dubbo): return dubbo.isIdle ? dubbo.encodeState(to: &writer, in: session) : nil
        case .other(let other): return other.isIdle ? other.encodeState(to: &writer, in: session) : nil
        }
    }

    /// The connection goes on in another process: its calls are no longer this one's, and nothing is counted of them.
    ///
    /// - Parameter session: The connection's session; it must not be used again.
    public func handOver(_ session: Session) {
        endRecall(session)
        tracker.forgetAll(on: session)
        recorder.connectionMoved(side: session.side, connectionProtocol: session.connectionProtocol)
        connections.remove(session.number)
    }

    /// Takes a connection over from another process.
    ///
    /// - Parameters:
    ///   - state: What ``state(of:)`` gave there.
    ///   - side: On which side of the service Weir stands.
    ///   - connection: The connection's ends, if they are known.
    ///   - now: The time, in nanoseconds.
    /// - Returns: The session.
    /// - Throws: ``ReportError`` if the bytes are none of this release's; nothing has been opened then.
    public func restore(
        _ state: [UInt8],
        side: Side,
        connection: ObservedConnection?,
        now: UInt64
    ) throws(ReportError) -> Session {
        var reader = ReportReader(try ReportSeal.opened(state))
        let moved = try MovedConnection(&reader, extensions: extensions)
        let session = connections.add { number in
            Session(number: number, side: side, connection: connection, isMidstream: false, isClientUnknown: false)
        }
        session.client = moved.client
        session.calls.finished = moved.finishedCalls
        session.caller.name = moved.caller
        session.drain = moved.drain
        session.detection = moved.detection
        session.decoder = moved.decoder
        if session.drain.recall != nil { recalls += 1 }
        session.connectionProtocol = moved.connectionProtocol
        recorder.connectionResumed(side: side, connectionProtocol: moved.connectionProtocol)
        for call in moved.calls { tracker.resume(call, on: session, now: now) }
        return session
    }
}

/// A connection as another process told of it.
private struct MovedConnection {
    let connectionProtocol: ConnectionProtocol
    let client: ClientEnd
    let finishedCalls: UInt64
    let caller: [UInt8]
    let drain: ConnectionDrain
    let decoder: Session.Decoder
    var detection = DetectionState(isMidstream: false)
    let calls: [MovedCall]

    init(_ reader: inout ReportReader, extensions: [any ProtocolExtension]) throws(ReportError) {
        guard try reader.number() == Inspector.stateVersion else { throw .malformed }
        connectionProtocol = try reader.word()
        guard let client = ClientEnd(rawValue: UInt8(clamping: try reader.number())) else { throw .malformed }
        self.client = client
        finishedCalls = try reader.number()
        caller = Array(try reader.piece().prefix(ConnectionCaller.maxBytes))
        drain = try ConnectionDrain(&reader)
        let name = try reader.text()
        var own = ReportReader(try reader.piece())
        switch name {
        case "opaque": decoder = .opaque
        case "blind": decoder = .blind
        case "detecting":
            decoder = .detecting
            detection = try DetectionState(&own)
        case "dubbo": decoder = .dubbo(try DubboSession(state: &own))
        case "http1": decoder = .other(try HTTP1Session(state: &own))
        case "http2": decoder = .other(try HTTP2Session(state: &own))
        case "jsonrpc": decoder = .other(try JSONStreamSession(state: &own))
        default: decoder = .other(try Self.session(named: name, &own, extensions))
        }
        guard own.isAtEnd else { throw .malformed }
        calls = try reader.each(atMost: Inspector.maxMovedCalls) { reader throws(ReportError) in
            try MovedCall(&reader)
        }
        guard reader.isAtEnd else { throw .malformed }
    }

    private static func session(
        named name: String,
        _ reader: inout ReportReader,
        _ extensions: [any ProtocolExtension]
    ) throws(ReportError) -> any ProtocolSession {
        for candidate in extensions where candidate.stateName.description == name {
            return try candidate.restoreSession(from: &reader)
        }
        throw .malformed
    }
}

/// A call in flight, or a tombstone, that moves with its connection.
struct MovedCall {
    let kind: CallTable.Kind
    let direction: Direction
    let side: Side
    let id: UInt64
    let start: UInt64
    let deadline: UInt64
    let requestBytes: UInt64
    let operation: Calls.Operation

    init(_ reader: inout ReportReader) throws(ReportError) {
        guard let kind = CallTable.Kind(rawValue: UInt8(clamping: try reader.number())), kind != .free,
            let direction = Direction(rawValue: UInt8(clamping: try reader.number()))
        else { throw .malformed }
        self.kind = kind
        self.direction = direction
        side = try reader.word()
        id = try reader.number()
        start = try reader.number()
        deadline = try reader.number()
        requestBytes = try reader.number()
        operation = Operation(
            callProtocol: try reader.word(),
            interface: try reader.text(),
            version: try reader.text(),
            group: try reader.text(),
            method: try reader.text()
        )
    }
}

extension ReportWriter {
    fileprivate mutating func add(_ call: CallTable.Entry, named operation: Calls.Operation) {
        add(Int(call.kind.rawValue))
        add(Int(call.direction.rawValue))
        add(word: call.side)
        for number in [call.id, call.start, call.deadline, call.requestBytes] { add(number) }
        add(word: operation.callProtocol)
        for name in [operation.interface, operation.version, operation.group, operation.method] { add(name) }
    }

    fileprivate mutating func add(_ drain: ConnectionDrain) {
        add(Int(drain.signals.rawValue))
        add(drain.lateCalls)
        add(drain.mayKeepAway ? 1 : 0)
        add(drain.answersEvents ? 1 : 0)
        add(drain.recall == nil ? 0 : 1)
        if let recall = drain.recall {
            add(recall.told)
            add(recall.calls)
        }
    }
}

extension ConnectionDrain {
    fileprivate init(_ reader: inout ReportReader) throws(ReportError) {
        signals = DrainSignals(rawValue: UInt8(truncatingIfNeeded: try reader.number()))
        lateCalls = try reader.number()
        mayKeepAway = try reader.number() != 0
        answersEvents = try reader.number() != 0
        guard try reader.number() != 0 else { return }
        recall = DrainRecall(told: try reader.number(), calls: try reader.number())
    }
}
