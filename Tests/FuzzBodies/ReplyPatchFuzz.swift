internal import Dubbo
internal import Hessian
internal import Wire

/// Gives arbitrary bytes, taken for the body of a Dubbo reply, one more attachment and checks what must hold.
///
/// The first byte says whether a map may be added. What comes out is a frame that says what the body said and the
/// attachment, and that is not given it again.
///
/// - Parameter bytes: Any bytes.
public func fuzzReplyPatch(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 1 else { return }
    let body = Array(bytes[1...])
    let mayAddMap = bytes[0] & 1 == 0
    let header = FrameHeader(flags: 2, status: 20, requestID: UInt64(bytes[0]), bodyBytes: UInt32(body.count))
    func patch(_ body: [UInt8]) -> [UInt8]? {
        ReplyPatch.attaching(key: "closing", value: "true", to: header, body, mayAddMap: mayAddMap)
    }
    guard let frame = patch(body) else { return }
    guard let written = try? FrameHeader(frame.span.bytes, at: 0) else { preconditionFailure("it is no frame") }
    precondition(written.flags == 2 && written.status == 20 && written.requestID == header.requestID, "another header")
    precondition(Int(written.bodyBytes) == frame.count - 16, "its length is wrong")
    let patched = Array(frame.dropFirst(16))
    precondition(body[0] >= 0x93 || mayAddMap, "it has a map that it may not have")
    precondition((1...18).contains(patched.count - body.count), "more was added than an attachment")
    precondition(patch(patched) == nil, "it has the attachment twice")
    guard let before = values(body) else { return }
    guard let after = values(patched) else { preconditionFailure("it cannot be decoded any more") }
    checkPatched(kind: body[0], before, after)
}

/// The values behind a reply's kind; `nil` when some bytes are none.
private func values(_ body: [UInt8]) -> [HessianValue]? {
    var decoder = HessianValueDecoder(body.span.bytes.extracting(1..<body.count))
    var values: [HessianValue] = []
    while !decoder.isAtEnd {
        guard let value = try? decoder.value() else { return nil }
        values.append(value)
    }
    return values
}

private func checkPatched(kind: UInt8, _ before: [HessianValue], _ after: [HessianValue]) {
    let place = kind == 0x92 || kind == 0x95 ? 0 : 1
    precondition(before.prefix(place).elementsEqual(after.prefix(place)), "another value")
    guard after.count > place, case .map(var map) = after[place], let pair = map.entries.first else {
        preconditionFailure("no map with an entry")
    }
    precondition(pair.key == .string(Array("closing".utf16)) && pair.value == .string(Array("true".utf16)), "not first")
    map.entries.removeFirst()
    var rest = before.dropFirst(place)
    if kind < 0x93 || rest.first == .null {
        precondition(map.entries.isEmpty, "attachments out of nothing")
        if kind >= 0x93 { rest = rest.dropFirst() }
    } else {
        precondition(rest.popFirst() == .map(map), "other attachments")
    }
    precondition(rest.elementsEqual(after.dropFirst(place + 1)), "another end")
}
