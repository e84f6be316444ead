internal import Dubbo
internal import HTTP1
internal import HTTP2
internal import JSONRPC
internal import Wire

/// The readers of one worker: shared ones for what is read within a call, and spare ones for connections that are in
/// the middle of a message.
final class ReaderPool {
    private static let maxSpare = 16
    private static let maxSpareInflaters = 4

    /// Reads bodies of Dubbo frames that are not split over reads; a split one keeps it, see ``keepBody()``.
    private(set) var body = BodyReaderBox()
    /// The buffer that HPACK decodes Huffman codes into.
    var headerScratch = HPACKScratch()
    /// The wanted attachments of the Dubbo request being read.
    let fields = FieldValues()
    private var spareBodies: [BodyReaderBox] = []
    private var spareHeaders: [HeaderTextsBox] = []
    private var spareMessages: [RPCReader] = []
    private var spareEvents: [EventStream] = []
    private var spareInflaters: [Inflater] = []

    /// Takes ``body`` for a frame that goes on in the next read; another takes its place.
    func keepBody() -> BodyReaderBox {
        let kept = body
        body = spareBodies.popLast() ?? BodyReaderBox()
        return kept
    }

    /// Gives a body reader back.
    func giveBack(_ body: BodyReaderBox) {
        if spareBodies.count < Self.maxSpare { spareBodies.append(body) }
    }

    /// Header texts that are spare, or new ones.
    func takeHeaderTexts() -> HeaderTextsBox { spareHeaders.popLast() ?? HeaderTextsBox() }

    /// Gives header texts back.
    func giveBack(_ headers: HeaderTextsBox) {
        if spareHeaders.count < Self.maxSpare { spareHeaders.append(headers) }
    }

    /// A reader for JSON that is spare, or a new one.
    func takeRPCReader() -> RPCReader { spareMessages.popLast() ?? RPCReader() }

    /// Gives a reader back.
    func giveBack(_ reader: RPCReader) {
        if spareMessages.count < Self.maxSpare { spareMessages.append(reader) }
    }

    /// A stream of events that is spare, or a new one.
    func takeEventStream() -> EventStream {
        let events = spareEvents.popLast() ?? EventStream()
        events.begin()
        return events
    }

    /// Gives a stream back.
    func giveBack(_ events: EventStream) {
        if spareEvents.count < Self.maxSpare { spareEvents.append(events) }
    }

    /// A reader of coded bodies that is spare, or a new one.
    func takeInflater() -> Inflater { spareInflaters.popLast() ?? Inflater() }

    /// Gives one back.
    func giveBack(_ inflater: Inflater) {
        if spareInflaters.count < Self.maxSpareInflaters { spareInflaters.append(inflater) }
    }
}

/// Header texts on the heap, so that they can stay with a request that is half read.
final class HeaderTextsBox {
    var texts = HeaderTexts()
}

/// A body reader on the heap, so that it can stay with a connection whose frame is half read.
final class BodyReaderBox {
    var reader = BodyReader()
}
