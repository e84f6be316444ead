internal import Calls
internal import HTTP2
internal import Telemetry
internal import Wire

/// An HTTP/2 connection that moves to another process: one without open streams, whose header blocks pass as they are
/// and to whose client no end was announced.
///
/// Windows are not known afterwards: health streams of the connection get no message of Weir's any more.
extension HTTP2Session {
    func encodeState(to writer: inout ReportWriter, in session: Session) -> StaticString? {
        let isQuietEnd = connectionEnd == .none && own.goAway.state == .idle && own.localReplies.isEmpty
        guard calls.streams.count == 0, isQuietEnd, own.watches.isEmpty, session.inFlight == 0,
            up.encodeState(to: &writer), down.encodeState(to: &writer)
        else { return nil }
        writer.add(Int(requests.rawValue))
        writer.add(UInt64(calls.streams.highestID))
        writer.add(began)
        return "http2"
    }

    /// A session that goes on where one of another process was between two frames.
    convenience init(state reader: inout ReportReader) throws(ReportError) {
        let up = try HTTP2Direction(.toUpstream, state: &reader)
        let down = try HTTP2Direction(.toDownstream, state: &reader)
        guard let direction = Direction(rawValue: UInt8(clamping: try reader.number())) else { throw .malformed }
        self.init(requests: direction, up: up, down: down)
        calls.streams.noteOpened(UInt32(clamping: try reader.number()))
        began = try reader.number()
    }
}

extension HTTP2Direction {
    /// The most entries of a table: each takes at least 32 bytes of it.
    private static let maxEntries = Int(HPACKLimits.maxTableBytes) / 32

    /// - Returns: False if the direction cannot be moved now.
    fileprivate func encodeState(to writer: inout ReportWriter) -> Bool {
        let isOpen = heldBytes > 0 || reachBytes > 0 || isCut || !pendingSettings.isEmpty
        guard !isOpen, reader.phase == .header, !rewriter.isRewriting, !decoder.isMidstream,
            decoder.dueUpdateBytes == nil
        else { return false }
        writer.add(UInt64(decoder.maxTableBytes))
        writer.add(UInt64(decoder.tableLimitBytes))
        writer.add(UInt64(tableBytes))
        writer.add(Int(maxFrameBytes))
        writer.add(hasSettings ? 1 : 0)
        var entries: [([UInt8], [UInt8])] = []
        decoder.eachEntry { entries.append(($0.array, $1.array)) }
        writer.add(each: entries) {
            $0.add($1.0)
            $0.add($1.1)
        }
        return true
    }

    /// The state that another process wrote.
    fileprivate convenience init(_ direction: Direction, state reader: inout ReportReader) throws(ReportError) {
        self.init(direction, phase: .header, isMidstream: false)
        let (maxBytes, limitBytes) = (UInt32(clamping: try reader.number()), UInt32(clamping: try reader.number()))
        decoder.restore(maxBytes: maxBytes, limitBytes: limitBytes)
        tableBytes = UInt32(clamping: try reader.number())
        maxFrameBytes = .init(clamping: try reader.number())
        hasSettings = try reader.number() != 0
        let entries = try reader.each(atMost: Self.maxEntries) { reader throws(ReportError) in
            (Array(try reader.piece()), Array(try reader.piece()))
        }
        for (name, value) in entries {
            guard name.count + value.count <= Int(HPACKLimits.maxTableBytes) else { throw .malformed }
            decoder.add(name: name.byteSpan, value: value.byteSpan)
        }
    }
}
