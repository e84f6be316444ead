internal import Calls
internal import Dubbo
internal import Wire

/// Where the stages of the pipeline find what they look at in a request besides what is called.
protocol RequestFields: ~Copyable, ~Escapable {
    /// Gives the calling application's name; empty if the request does not say.
    func withCaller(_ body: (RawSpan) -> Void)
    /// Gives each attachment or header that a stage may look at.
    func forEach(_ body: (_ name: RawSpan, _ value: RawSpan) -> Void)
}

/// The fields of a request that has none, or of which they are not known.
struct NoFields: RequestFields {
    func withCaller(_ body: (RawSpan) -> Void) {}
    func forEach(_ body: (_ name: RawSpan, _ value: RawSpan) -> Void) {}
}

/// The attachments of a Dubbo request that was understood by the fast path.
struct FastDubboFields: RequestFields, ~Escapable {
    let fast: RequestFastPath
    let body: RawSpan

    @_lifetime(copy body)
    init(_ fast: RequestFastPath, in body: RawSpan) {
        self.fast = fast
        self.body = body
    }

    func withCaller(_ take: (RawSpan) -> Void) { take(body.slice(fast.attachments.caller)) }

    func forEach(_ take: (_ name: RawSpan, _ value: RawSpan) -> Void) {
        var cursor = AttachmentCursor(fast, in: body)
        while let attachment = cursor.next() { take(body.slice(attachment.key), body.slice(attachment.value)) }
    }
}

/// The attachments of a Dubbo request that was read.
struct ReadDubboFields: RequestFields, ~Escapable {
    let attachments: [Attachment]
    let caller: ByteRange
    let texts: RawSpan

    @_lifetime(copy texts)
    init(_ attachments: [Attachment], caller: ByteRange, in texts: RawSpan) {
        self.attachments = attachments
        self.caller = caller
        self.texts = texts
    }

    func withCaller(_ take: (RawSpan) -> Void) { take(texts.slice(caller)) }

    func forEach(_ take: (_ name: RawSpan, _ value: RawSpan) -> Void) {
        for attachment in attachments { take(texts.slice(attachment.key), texts.slice(attachment.value)) }
    }
}
