internal import Wire

extension HessianScanner {
    /// Starts a chunk of a string or a binary from its lead byte; the length may still have to come.
    mutating func startChunk(_ lead: UInt8) {
        self.lead = lead
        header = 0
        headerNeeds = 0
        chain = .none
        switch lead {
        case 0x00...0x1f: textUnits = UInt32(lead)
        case 0x20...0x2f: rawBytes = UInt32(lead - 0x20)
        case 0x30...0x37: headerNeeds = 1
        default: headerNeeds = 2
        }
    }

    /// Continues the token in progress.
    ///
    /// - Returns: True if it is complete; if not, all of `bytes` was used.
    mutating func continueToken(_ bytes: RawSpan, _ at: inout Int) throws(HessianError) -> Bool {
        while true {
            while headerNeeds > 0 {
                guard at < bytes.byteCount else { return false }
                header = header << 8 | UInt32(bytes.byte(at: at))
                at += 1
                headerNeeds -= 1
                if headerNeeds == 0 { finishHeader() }
            }
            if rawBytes > 0 {
                let count = min(Int(rawBytes), bytes.byteCount - at)
                at += count
                rawBytes -= UInt32(truncatingIfNeeded: count)
                if rawBytes > 0 { return false }
            }
            if textUnits > 0 || continuationBytes > 0 {
                let start = at
                let isComplete = try walkText(bytes, &at)
                if isCapturing { keep(bytes.extracting(start..<at)) }
                if !isComplete { return false }
            }
            guard chain != .none else { return true }
            guard at < bytes.byteCount else { return false }
            try continueChain(bytes.byte(at: at), at)
            at += 1
        }
    }

    /// The bytes after a lead are complete: they are a length, or the number itself.
    private mutating func finishHeader() {
        switch lead {
        case 0x30...0x33: textUnits = UInt32(lead - 0x30) << 8 | header
        case 0x34...0x37: rawBytes = UInt32(lead - 0x34) << 8 | header
        case 0x41, 0x42:
            rawBytes = header
            chain = lead == 0x41 ? .binary : .none
        case 0x52, 0x53:
            textUnits = header
            chain = lead == 0x52 ? .text : .none
        default: break
        }
    }

    /// Processes the lead byte of the chunk after a non-final one.
    private mutating func continueChain(_ lead: UInt8, _ at: Int) throws(HessianError) {
        switch (chain, lead) {
        case (.text, 0x00...0x1f), (.text, 0x30...0x33), (.text, 0x52), (.text, 0x53): startChunk(lead)
        case (.binary, 0x20...0x2f), (.binary, 0x34...0x37), (.binary, 0x41), (.binary, 0x42): startChunk(lead)
        default: throw .badTag(tag: lead, offset: offset(at))
        }
    }

    /// Steps over the characters of a string chunk.
    ///
    /// The length counts UTF-16 units and each unit is written by itself, so a character outside the basic plane is two
    /// units of three bytes each.
    private mutating func walkText(_ bytes: RawSpan, _ at: inout Int) throws(HessianError) -> Bool {
        while continuationBytes > 0 {
            guard at < bytes.byteCount else { return false }
            at += 1
            continuationBytes -= 1
        }
        while textUnits > 0 {
            let available = bytes.byteCount - at
            guard available > 0 else { return false }
            let ascii = min(Int(textUnits), available, 64)
            if bytes.isASCII(from: at, count: ascii) {
                at += ascii
                textUnits -= UInt32(truncatingIfNeeded: ascii)
                continue
            }
            for _ in 0..<ascii {
                guard at < bytes.byteCount else { return false }
                let size = Self.characterSize(bytes.byte(at: at))
                guard size > 0 else { throw .badText(offset: offset(at)) }
                textUnits -= 1
                let rest = bytes.byteCount - at
                guard size <= rest else {
                    at = bytes.byteCount
                    continuationBytes = UInt8(size - rest)
                    return false
                }
                at += size
            }
        }
        return true
    }

    private mutating func keep(_ piece: RawSpan) {
        guard !captureOverflowed, piece.byteCount > 0 else { return }
        if !gathered.append(piece) { captureOverflowed = true }
    }

    private var tokenNumber: Int32 {
        switch lead {
        case 0x80...0xbf: Int32(lead) - 0x90
        case 0xc0...0xcf: (Int32(lead) - 0xc8) << 8 + Int32(header)
        case 0xd0...0xd7: (Int32(lead) - 0xd4) << 16 + Int32(header)
        default: Int32(bitPattern: header)
        }
    }

    /// A token is complete: what follows from it.
    mutating func finishToken(_ at: Int) throws(HessianError) {
        switch purpose {
        case .value, .string: break
        case .number: numberRead = tokenNumber
        case .listCount:
            let count = tokenNumber
            guard count >= 0 else { throw .badLength(offset: offset(at)) }
            if count > 0 { try push(.values, UInt32(count), at: at) }
        case .objectClass: try beginObject(Int(tokenNumber), at)
        case .reference, .typeIndex:
            guard tokenNumber >= 0 else { throw .badIndex(offset: offset(at)) }
        case .fieldCount: try defineClass(Int(tokenNumber), at)
        case .type: finishType()
        case .className: finishClassName()
        case .fieldName: finishFieldName()
        case .message:
            throwable.message = endCapture()
        }
    }

    private mutating func defineClass(_ count: Int, _ at: Int) throws(HessianError) {
        guard count >= 0 else { throw .badLength(offset: offset(at)) }
        guard count <= limits.maxFields, classFieldCounts.count < limits.maxClasses else {
            throw .tooManyClasses(offset: offset(at))
        }
        classFieldCounts.append(UInt32(count))
        let last = watched.count - 1
        if isWatching, watchedObject == nil, last >= 0 { watched[last].fieldsSeen = Int32(count) }
        // The names come before anything else that the same value slot holds.
        if count > 0 { try push(.fieldNames, UInt32(count), at: at) }
    }

    private mutating func finishType() {
        guard isTypeWatched else { return }
        isTypeWatched = false
        throwable.className = endCapture() ?? .empty
        isWatching = false
    }

    private mutating func finishClassName() {
        guard isCapturing else { return }
        watched.append(WatchedClass(name: endCapture() ?? .empty, messageField: -1, fieldsSeen: 0))
    }

    private mutating func finishFieldName() {
        guard isCapturing, !watched.isEmpty else { return }
        isCapturing = false
        let last = watched.count - 1
        let left = levels.last.map { $0.item == .fieldNames ? Int32(bitPattern: $0.remaining) : 0 } ?? 0
        let index = watched[last].fieldsSeen - left - 1
        let rank = captureOverflowed ? 0 : messageRank()
        if rank == 2 || (rank == 1 && watched[last].messageField < 0) { watched[last].messageField = index }
    }

    /// The confidence that the current field holds a throwable's message: 2 in `java.lang.Throwable`, 1 elsewhere, else
    /// 0.
    private func messageRank() -> Int {
        let name = gathered.bytes
        if name.equals("detailMessage") { return 2 }
        return name.equals("exceptionMessage") || name.equals("message") ? 1 : 0
    }
}
