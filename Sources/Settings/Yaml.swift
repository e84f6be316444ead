import CYaml

/// One step through a YAML text, as libyaml reports it.
struct YAMLEvent {
    enum Kind: Equatable {
        case scalar(text: String, isQuoted: Bool)
        case sequenceStart
        case sequenceEnd
        case mappingStart
        case mappingEnd
        case documentStart
        case documentEnd
        case alias
        case streamEnd
    }

    let kind: Kind
    let position: YAMLPosition
    let hasAnchor: Bool
    let hasTag: Bool
}

/// Where and why libyaml stopped.
struct YAMLSyntaxError: Error {
    let position: YAMLPosition
    let reason: String
}

/// Pulls events out of a YAML text; the only place that touches libyaml.
///
/// The reader owns a copy of the text and the parser, and frees both. After an error no further event may be asked for.
@safe struct YAMLEventReader: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>
    private let isReady: Bool

    init(bytes: [UInt8]) {
        // SAFETY: both allocations belong to this value alone, are filled before use and are freed once, in `deinit`;
        // libyaml keeps `input`'s address, which does not move until then.
        unsafe input = .allocate(capacity: bytes.count)
        _ = unsafe input.initialize(from: bytes)
        unsafe parser = .allocate(capacity: 1)
        unsafe parser.initialize(to: yaml_parser_t())
        isReady = unsafe yaml_parser_initialize(parser) == 1
        guard isReady else { return }
        unsafe yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    }

    deinit {
        // SAFETY: as in `init`; a parser that was never set up is not taken down.
        if isReady { unsafe yaml_parser_delete(parser) }
        unsafe parser.deallocate()
        unsafe input.deallocate()
    }

    /// The next event; the stream's start is passed over.
    mutating func next() throws(YAMLSyntaxError) -> YAMLEvent {
        guard isReady else {
            throw YAMLSyntaxError(position: YAMLPosition(line: 1, column: 1), reason: "out of memory")
        }
        while true {
            // SAFETY: `event` is filled by libyaml when it returns 1 and is released before it goes out of scope; every
            // text is copied out before that.
            var event = unsafe yaml_event_t()
            guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw syntaxError() }
            defer { unsafe yaml_event_delete(&event) }
            if let kind = unsafe Self.kind(of: event) {
                return unsafe YAMLEvent(
                    kind: kind,
                    position: Self.position(event.start_mark),
                    hasAnchor: Self.hasAnchor(event),
                    hasTag: Self.hasTag(event)
                )
            }
        }
    }

    private static func kind(of event: yaml_event_t) -> YAMLEvent.Kind? {
        // SAFETY: libyaml's tag `type` says which member of the union `data` is alive.
        switch unsafe event.type {
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let isQuoted = unsafe scalar.style != YAML_PLAIN_SCALAR_STYLE
            return unsafe .scalar(text: String(decoding: bytes, as: UTF8.self), isQuoted: isQuoted)
        case YAML_SEQUENCE_START_EVENT: return .sequenceStart
        case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
        case YAML_MAPPING_START_EVENT: return .mappingStart
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_DOCUMENT_END_EVENT: return .documentEnd
        case YAML_ALIAS_EVENT: return .alias
        case YAML_STREAM_END_EVENT: return .streamEnd
        default: return nil
        }
    }

    private static func hasAnchor(_ event: yaml_event_t) -> Bool {
        // SAFETY: as in `kind(of:)`.
        switch unsafe event.type {
        case YAML_SCALAR_EVENT: unsafe event.data.scalar.anchor != nil
        case YAML_SEQUENCE_START_EVENT: unsafe event.data.sequence_start.anchor != nil
        case YAML_MAPPING_START_EVENT: unsafe event.data.mapping_start.anchor != nil
        default: false
        }
    }

    private static func hasTag(_ event: yaml_event_t) -> Bool {
        // SAFETY: as in `kind(of:)`.
        switch unsafe event.type {
        case YAML_SCALAR_EVENT: unsafe event.data.scalar.tag != nil
        case YAML_SEQUENCE_START_EVENT: unsafe event.data.sequence_start.tag != nil
        case YAML_MAPPING_START_EVENT: unsafe event.data.mapping_start.tag != nil
        default: false
        }
    }

    private static func position(_ mark: yaml_mark_t) -> YAMLPosition {
        YAMLPosition(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    private func syntaxError() -> YAMLSyntaxError {
        // SAFETY: `problem` and `context` are nil or C strings with static storage in libyaml.
        var reason = unsafe parser.pointee.problem.map { unsafe String(cString: $0) } ?? "cannot be read"
        guard unsafe parser.pointee.error != YAML_READER_ERROR else {
            return YAMLSyntaxError(position: readerPosition(), reason: reason)
        }
        if let context = unsafe parser.pointee.context {
            let mark = unsafe parser.pointee.context_mark
            reason += unsafe ", \(String(cString: context)) that starts in line \(mark.line + 1)"
        }
        return unsafe YAMLSyntaxError(position: Self.position(parser.pointee.problem_mark), reason: reason)
    }

    /// libyaml gives bytes it cannot decode no mark, only an offset: lines and characters before it are counted here.
    private func readerPosition() -> YAMLPosition {
        // SAFETY: `input` is alive; `prefix` stops at its end whatever the offset is.
        let before = unsafe [UInt8](input.prefix(parser.pointee.problem_offset))
        var line = 1
        var column = 1
        for byte in before {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0xc0 != 0x80 {
                column += 1
            }
        }
        return YAMLPosition(line: line, column: column)
    }
}
