internal import Telemetry

/// A Dubbo connection that moves to another process.
extension DubboSession {
    func encodeState(to writer: inout ReportWriter, in session: Session) -> StaticString? {
        guard up.earlier.isAny == false, down.earlier.isAny == false else { return nil }
        for flag in [isConfirmed, readsReplyAttachments, judgesCallbacks] { writer.add(flag ? 1 : 0) }
        ownEvents.encode(to: &writer)
        return "dubbo"
    }

    /// A session that goes on where one of another process was between two frames.
    convenience init(state reader: inout ReportReader) throws(ReportError) {
        self.init()
        isConfirmed = try reader.number() != 0
        readsReplyAttachments = try reader.number() != 0
        judgesCallbacks = try reader.number() != 0
        ownEvents = try OwnEvents(&reader)
    }
}
