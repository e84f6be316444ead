internal import Wire

/// The values of a body in order, in any serialization.
protocol SerializedValues: ~Escapable {
    /// Reads the next value, which must be a string or null, and keeps its text; `nil` for null or no room.
    mutating func string(into texts: inout PrefixBuffer) throws(BodyError) -> ByteRange?

    /// Reads the next value, an argument, as ``string(into:)`` does.
    mutating func object(into texts: inout PrefixBuffer) throws(BodyError) -> ByteRange?

    /// Reads the small number that a reply begins with.
    mutating func number() throws(BodyError) -> Int

    /// Reads what can be known of a throwable and steps over it, if that is possible.
    mutating func throwable(
        into metadata: inout ResponseMetadata,
        texts: inout PrefixBuffer
    ) throws(BodyError)

    /// Steps over a reply's value.
    mutating func skip() throws(BodyError)

    /// Reads attachments; nothing is appended when it throws.
    mutating func attachments(
        into list: inout [Attachment],
        texts: inout PrefixBuffer
    ) throws(BodyError)
}

extension SerializedBody {
    /// Reads the five strings, and for a generic call the first argument.
    static func readNames<Values: SerializedValues & ~Escapable>(
        _ values: inout Values,
        into metadata: inout RequestMetadata,
        texts: inout PrefixBuffer
    ) {
        do throws(BodyError) {
            for slot in 0..<5 {
                guard let range = try values.string(into: &texts) else { continue }
                metadata.keep(range, slot: slot)
            }
            guard isGeneric(texts.bytes.slice(metadata.method)) else { return }
            guard let range = try values.object(into: &texts) else { return }
            metadata.genericMethod = range
            metadata.known.insert(.genericMethod)
        } catch {
            // What was read before stays.
        }
    }

    /// True if the method takes the real method's name as its first argument (`GenericService`).
    private static func isGeneric(_ method: RawSpan) -> Bool {
        method.equals("$invoke") || method.equals("$invokeAsync")
    }

    /// Reads a reply as far as its serialization lets itself be read.
    static func readReply<Values: SerializedValues & ~Escapable>(
        _ values: inout Values,
        isWhole: Bool,
        status: UInt8,
        into metadata: inout ResponseMetadata,
        texts: inout PrefixBuffer
    ) -> Bool {
        do throws(BodyError) {
            guard status == 20 else {
                metadata.message = try values.string(into: &texts)
                return metadata.message != nil
            }
            let number = try values.number()
            guard let kind = UInt8(exactly: number).flatMap(ResponseMetadata.Kind.init(rawValue:)) else { return false }
            metadata.kind = kind
            if kind.isException {
                try values.throwable(into: &metadata, texts: &texts)
            } else if kind == .valueWithAttachments {
                try values.skip()
            }
            guard isWhole, kind.hasAttachments else { return true }
            try values.attachments(into: &metadata.attachments, texts: &texts)
            metadata.hasAttachments = true
        } catch {
            // What was read before stays.
        }
        return metadata.kind != nil
    }
}

extension RequestMetadata {
    /// Stores the string of a slot, counted from 0.
    fileprivate mutating func keep(_ range: ByteRange, slot: Int) {
        switch slot {
        case 0:
            dubboVersion = range
            known.insert(.dubboVersion)
        case 1:
            interface = range
            known.insert(.interface)
        case 2:
            version = range
            known.insert(.version)
        case 3:
            method = range
            known.insert(.method)
        default:
            parameterDescriptor = range
            known.insert(.parameterDescriptor)
        }
    }
}

/// The attachments found so far.
///
/// At most ``RequestMetadata/maxAttachments`` are looked at, kept or not. A symbol makes a long key out of two bytes,
/// and repeated attempts to fit it would take time that no body's length bounds.
struct AttachmentCollector {
    /// The attachments that were kept.
    private(set) var list: [Attachment] = []
    private var seen = 0

    /// Keeps one attachment, if there is room for it.
    mutating func keep(key: EncodedString, value: EncodedString, of bytes: RawSpan, texts: inout PrefixBuffer) {
        guard seen < RequestMetadata.maxAttachments else { return }
        seen += 1
        guard let keyRange = texts.keep(key, of: bytes), let valueRange = texts.keep(value, of: bytes) else { return }
        list.append(Attachment(key: keyRange, value: valueRange))
    }
}
