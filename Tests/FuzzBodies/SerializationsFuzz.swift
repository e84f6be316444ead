import Dubbo
import Wire

/// Reads arbitrary bytes as a body: the first byte chooses the serialization, the second the status, the third what it is.
///
/// Beyond not crashing: every range lies inside the texts, and what a prefix says of names the whole says too.
public func fuzzSerializedBody(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 3 else { return }
    let known: [UInt8] = [3, 4, 6, 7, 8, 16, 23, 25, 2, 12]
    let serialization = known[Int(bytes[0]) % known.count]
    let status: UInt8 = bytes[1] & 1 == 0 ? 20 : 70
    let isWhole = bytes[2] & 4 == 0
    let body = UnsafeRawBufferPointer(rebasing: bytes[3...]).bytes
    switch bytes[2] & 3 {
    case 0, 1: fuzzRequest(body, isWhole: isWhole, serialization: serialization)
    case 2: fuzzReply(body, isWhole: isWhole, status: status, serialization: serialization)
    default: _ = SerializedBody.readEvent(body, serialization: serialization)
    }
}

private func fuzzRequest(_ body: RawSpan, isWhole: Bool, serialization: UInt8) {
    var texts = PrefixBuffer(limitBytes: 1024)
    var metadata = RequestMetadata()
    let understood = SerializedBody.readRequest(
        body,
        isWhole: isWhole,
        serialization: serialization,
        into: &metadata,
        texts: &texts
    )
    precondition(understood == metadata.known.isSuperset(of: [.interface, .method]))
    precondition(metadata.attachments.count <= RequestMetadata.maxAttachments)
    for range in [
        metadata.dubboVersion, metadata.interface, metadata.version, metadata.method, metadata.parameterDescriptor,
        metadata.genericMethod,
    ] + metadata.attachments.flatMap({ [$0.key, $0.value] }) {
        precondition(range.indices.upperBound <= texts.count)
    }
    precondition(isWhole || metadata.attachments.isEmpty)
    guard understood, isWhole else { return }
    var prefixTexts = PrefixBuffer(limitBytes: 1024)
    var prefix = RequestMetadata()
    _ = SerializedBody.readRequest(
        body.extracting(0..<body.byteCount / 2),
        isWhole: false,
        serialization: serialization,
        into: &prefix,
        texts: &prefixTexts
    )
    precondition(prefix.known.isSubset(of: metadata.known))
    if prefix.known.contains(.interface) {
        precondition(texts.bytes.slice(metadata.interface).elementsEqual(prefixTexts.bytes.slice(prefix.interface)))
    }
}

private func fuzzReply(_ body: RawSpan, isWhole: Bool, status: UInt8, serialization: UInt8) {
    var texts = PrefixBuffer(limitBytes: 1024)
    var metadata = ResponseMetadata()
    let understood = SerializedBody.readResponse(
        body,
        isWhole: isWhole,
        status: status,
        serialization: serialization,
        into: &metadata,
        texts: &texts
    )
    precondition(understood == (status == 20 ? metadata.kind != nil : metadata.message != nil))
    precondition(metadata.attachments.count <= RequestMetadata.maxAttachments)
    precondition(metadata.hasAttachments || metadata.attachments.isEmpty)
    precondition(metadata.exceptionClass.indices.upperBound <= texts.count)
    precondition((metadata.message?.indices.upperBound ?? 0) <= texts.count)
    for attachment in metadata.attachments {
        precondition(attachment.key.indices.upperBound <= texts.count)
        precondition(attachment.value.indices.upperBound <= texts.count)
    }
}
