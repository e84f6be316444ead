internal import Wire

extension HPACKDecoder {
    /// Reads the size updates at the beginning of a block.
    @usableFromInline
    mutating func begin(_ block: RawSpan) throws(HPACKError) -> HPACKStep {
        sizeUpdates = HPACKSizeUpdates()
        hasUnknown = false
        guard block.byteCount <= limits.maxBlockBytes else { throw .listTooLarge(limitBytes: limits.maxListBytes) }
        var step = HPACKStep()
        var count = 0
        while step.at < block.byteCount, block.byte(at: step.at) & 0xe0 == 0x20 {
            count += 1
            guard count <= 2 else { throw .sizeUpdateMisplaced }
            try resize(to: try step.integer(block, mask: 0x1f))
        }
        guard dueBytes == nil else { throw .sizeUpdateMissing }
        return step
    }

    /// Follows a size update.
    ///
    /// A decoder that joined in the middle has seen no SETTINGS and misses entries anyway.
    private mutating func resize(to bytes: UInt32) throws(HPACKError) {
        if !isMidstream {
            let most = min(limitBytes, dueBytes ?? limitBytes)
            guard bytes <= most else { throw .sizeUpdateTooLarge(declaredBytes: bytes, limitBytes: most) }
            guard bytes <= HPACKLimits.maxTableBytes else { throw .tableTooLarge(declaredBytes: bytes) }
            dueBytes = nil
        }
        sizeUpdates.append(bytes)
        table.resize(to: Int(bytes))
    }

    /// Reads a field as far as its name goes; all of it, if it is indexed.
    @usableFromInline
    mutating func readName(
        _ block: RawSpan,
        step: inout HPACKStep,
        scratch: inout HPACKScratch
    ) throws(HPACKError) {
        let lead = block.byte(at: step.at)
        step.isUnknown = false
        step.isValueUnknown = false
        if lead & 0x80 != 0 {
            step.form = .indexed
            try find(try step.integer(block, mask: 0x7f), &step)
            if step.isUnknown { hasUnknown = true }
            try step.count(step.name.range.count, limits)
            return try step.count(step.value.range.count + HPACKTable.entryOverhead, limits)
        }
        guard lead & 0xe0 != 0x20 else { throw .sizeUpdateMisplaced }
        scratch.removeAll()
        step.form = lead & 0x40 != 0 ? .inserted : lead & 0x10 != 0 ? .neverIndexed : .plain
        let index = try step.integer(block, mask: step.form == .inserted ? 0x3f : 0x0f)
        if index == 0 {
            step.name = try step.string(block, scratch: &scratch, limits: limits, isNeeded: true)
            step.nameID = names.table.id(
                of: step.name.text(block, scratch: scratch.bytes, table: RawSpan(), fixed: RawSpan())
            )
        } else {
            try find(index, &step)
            if step.isUnknown { hasUnknown = true }
            if step.form == .inserted, step.name.place == .table {
                // Its entry may be one that the new entry evicts.
                let copy = scratch.append(table.bytes.slice(step.name.range))
                step.name = HPACKPiece(range: copy, place: .scratch)
            }
        }
        try step.count(step.name.range.count + HPACKTable.entryOverhead, limits)
    }

    /// Reads the value of a literal whose name was read; it stays undecoded if no consumer needs it.
    @usableFromInline
    mutating func readValue(
        _ block: RawSpan,
        step: inout HPACKStep,
        scratch: inout HPACKScratch,
        isWanted: Bool
    ) throws(HPACKError) {
        step.isValueUnknown = false
        step.value = try step.string(
            block,
            scratch: &scratch,
            limits: limits,
            isNeeded: isWanted || step.form == .inserted
        )
        try step.count(step.value.range.count, limits)
    }

    /// The field that was read, as views.
    ///
    /// It changes neither the decoder nor `step`: both are passed as they are because copies of them cost a third.
    @usableFromInline
    @_lifetime(&self, copy block, borrow scratch)
    mutating func field(_ step: inout HPACKStep, block: RawSpan, scratch: borrowing HPACKScratch) -> HeaderField {
        HeaderField(
            nameID: step.nameID,
            name: step.name.text(block, scratch: scratch.bytes, table: table.bytes, fixed: names.fixedBytes),
            value: step.value.text(block, scratch: scratch.bytes, table: table.bytes, fixed: names.fixedBytes),
            isNeverIndexed: step.form == .neverIndexed,
            isUnknown: step.isUnknown,
            isValueUnknown: step.isValueUnknown
        )
    }

    /// Adds the literal that was read to the table.
    @usableFromInline
    mutating func insert(_ step: HPACKStep, block: RawSpan, scratch: borrowing HPACKScratch) {
        let fixed = names.bytes
        let fixedBytes = fixed.byteSpan
        // Nothing of it lies in the table: see readName.
        table.insert(
            name: step.name.text(block, scratch: scratch.bytes, table: RawSpan(), fixed: fixedBytes),
            value: step.value.text(block, scratch: scratch.bytes, table: RawSpan(), fixed: fixedBytes),
            nameID: step.nameID,
            isUnknown: step.isUnknown
        )
    }

    /// Finds the entry at an index of both tables (RFC 7541 §2.3.3).
    private func find(_ index: UInt32, _ step: inout HPACKStep) throws(HPACKError) {
        let index = Int(index)
        guard index > 0 else { throw .badIndex(0) }
        let place = index <= HPACKStaticTable.count ? HPACKPiece.Place.fixed : .table
        let entry = place == .fixed ? names.entries[index] : table.entry(index - HPACKStaticTable.count)
        guard let entry else {
            guard isMidstream else { throw .badIndex(UInt32(index)) }
            step.name = HPACKPiece()
            step.value = HPACKPiece()
            step.nameID = NameTable.unwanted
            step.isUnknown = true
            step.isValueUnknown = true
            return
        }
        step.name = HPACKPiece(range: entry.name, place: place)
        step.value = HPACKPiece(range: entry.value, place: place)
        step.nameID = entry.nameID
        step.isUnknown = entry.isUnknown
    }
}
