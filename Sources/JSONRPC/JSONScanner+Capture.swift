internal import Wire

/// The choice of wanted tokens, and the parts of them that are kept.
extension JSONScanner {
    /// True if the name of the current member may be one that counts.
    @inline(__always)
    var isNameWanted: Bool {
        guard messageDepth > 0 else { return false }
        if depth == messageDepth { return true }
        return field == .params ? isParameterWanted : depth == messageDepth &+ 1 && field == .error
    }

    /// Records a value that begins at `at`, at most one level inside the message.
    mutating func note(_ kind: JSONKind, _ at: Int) {
        if messageDepth > 0 {
            if depth == messageDepth {
                noteMember(kind, at)
            } else if isCodeNext {
                isCodeNext = false
                facts.errorCode = nil
                guard kind == .number else { return }
                capture = .code
                captureFrom = at
                code = CodeReader()
            } else if field == .params, parameter != .other {
                noteParameter(kind, at)
            }
        } else if depth == 0 {
            if state != .marked { valueStartOffset = origin &+ UInt64(at) }
            if framing == .stream { leniency = nil }
            if awaitsLineEnd {
                awaitsLineEnd = false
                isLineDelimited = false
            }
            isBatch = kind == .array
            memberCount = 0
            beginMessage(kind, at: at)
            if kind == .object { messageDepth = 1 }
        } else if depth == 1, isBatch {
            memberCount &+= 1
            beginMessage(kind, at: at)
            if kind == .object { messageDepth = 2 }
        }
    }

    mutating func beginMessage(_ kind: JSONKind, at: Int) {
        facts = JSONRPCFacts()
        facts.form = kind
        facts.place = place
        facts.startOffset = origin &+ UInt64(at)
        field = .other
        isCodeNext = false
        exactNames = 0
        parameter = .other
        if hasParameters { forgetParameters() }
        methodText.removeAll(keepBytes: JSONLimits.maxMethodBytes)
        otherMethods.removeAll(keepBytes: JSONLimits.maxMethodBytes)
        idBuffer.removeAll(keepBytes: JSONLimits.maxIDBytes)
    }

    /// Records the value of one of the message's own members.
    private mutating func noteMember(_ kind: JSONKind, _ at: Int) {
        switch field {
        case .other: return
        case .version:
            facts.version = .other
            guard kind == .string else { return }
            capture = .version
            captureFrom = at &+ 1
            packed = PackedName()
        case .method:
            if facts.method == .text { keepOtherMethod() }
            methodText.removeAll(keepBytes: JSONLimits.maxMethodBytes)
            facts.method = kind == .string ? .text : .notText
            guard kind == .string else { return }
            capture = .method
            captureFrom = at &+ 1
        case .id:
            idBuffer.removeAll(keepBytes: JSONLimits.maxIDBytes)
            facts.id = kind
            facts.isIDTooLong = false
            guard kind != .object, kind != .array else { return }
            capture = .id
            captureFrom = at
        case .params:
            facts.params = kind
            parameter = .other
            if hasParameters { forgetParameters() }
        case .result: facts.result = kind
        case .error:
            facts.error = kind
            facts.errorCode = nil
        }
    }

    /// Adds the token's characters since the last call.
    mutating func flush(_ bytes: RawSpan, to end: Int) {
        guard captureFrom < end else { return }
        let piece = bytes.extracting(captureFrom..<end)
        captureFrom = end
        switch capture {
        case .nothing: return
        case .key, .version, .method:
            settleSurrogate()
            appendText(piece)
        case .id:
            guard !facts.isIDTooLong, !idBuffer.append(piece) else { return }
            facts.isIDTooLong = true
            idBuffer.removeAll(keepBytes: JSONLimits.maxIDBytes)
        case .code: code.append(piece)
        case .parameter:
            settleSurrogate()
            appendParameter(piece)
        }
    }

    /// Records that the wanted token is complete.
    mutating func endCapture() {
        settleSurrogate()
        switch capture {
        case .key:
            if depth == messageDepth {
                nameField()
            } else if field == .params {
                parameter = depth == messageDepth &+ 1 ? packed.parameter : packed.metaMember
            } else {
                isCodeNext = packed.isCode
            }
        case .version: facts.version = packed.isTwoZero ? .two : .other
        case .code: facts.errorCode = code.value
        case .nothing, .method, .id, .parameter: break
        }
        capture = .nothing
    }

    /// Finds which member the name is that has ended.
    ///
    /// Go and System.Text.Json take names in any case, so a name in another case counts if there was no exact one.
    private mutating func nameField() {
        field = packed.field
        guard field == .other else {
            exactNames |= 1 &<< field.rawValue
            return
        }
        let folded = packed.foldedField
        guard folded != .other, folded == .method || exactNames &>> folded.rawValue & 1 == 0 else { return }
        facts.hasFoldedName = true
        field = folded
    }

    /// Keeps the method that another one follows, if there is room: the first one always has.
    private mutating func keepOtherMethod() {
        facts.otherMethodCount &+= 1
        let count = methodText.count
        guard count &+ 2 <= JSONLimits.maxOtherMethodBytes &- otherMethods.count else { return }
        let length: [2 of UInt8] = [UInt8(truncatingIfNeeded: count &>> 8), UInt8(truncatingIfNeeded: count)]
        _ = otherMethods.append(length.byteSpan)
        _ = otherMethods.append(methodText)
    }

    private mutating func appendText(_ piece: RawSpan) {
        if capture == .parameter {
            appendParameter(piece)
        } else if capture != .method {
            packed.append(piece)
        } else if facts.method == .text, !methodText.append(piece) {
            facts.method = .tooLong
            methodText.removeAll(keepBytes: JSONLimits.maxMethodBytes)
        }
    }

    // MARK: Escaped characters

    /// Appends a UTF-16 unit that was written `\uXXXX`.
    mutating func appendUnit(_ unit: UInt16) {
        switch unit {
        case 0xd800...0xdbff:
            settleSurrogate()
            highSurrogate = unit
        case 0xdc00...0xdfff where highSurrogate != 0:
            let high = UInt32(highSurrogate &- 0xd800)
            highSurrogate = 0
            appendCharacter(0x1_0000 &+ (high &<< 10 | UInt32(unit &- 0xdc00)))
        case 0xdc00...0xdfff: appendCharacter(JSONEscape.replacement)
        default: appendCharacter(UInt32(unit))
        }
    }

    /// Appends the replacement for a high surrogate that no low one followed.
    private mutating func settleSurrogate() {
        guard highSurrogate != 0 else { return }
        highSurrogate = 0
        appendCharacter(JSONEscape.replacement)
    }

    mutating func appendCharacter(_ character: UInt32) {
        settleSurrogate()
        let encoded = JSONEscape.utf8(character)
        appendText(encoded.bytes.byteSpan.extracting(first: encoded.count))
    }
}
