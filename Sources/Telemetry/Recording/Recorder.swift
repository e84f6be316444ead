public import Calls
internal import Wire

/// The numbers of one worker: it counts the reports of the worker's sessions, only on the worker's thread.
///
/// Nothing is allocated for a call whose operation, outcome, code and duration bucket were seen before. A new series
/// takes memory once; their number is bounded by the ``OperationRegistry``, by ``SeriesLabels`` and by the buckets of
/// ``HistogramScale``. Other threads see the numbers through ``snapshot()`` only.
public final class Recorder {
    /// The most reasons of decode errors told apart before the rest count as `other` of their protocol.
    public static let maxDecodeReasons = 64
    /// The most series told apart by caller before further ones count under `_other`.
    public static let maxCallerResults = 65_536

    // A long access to a class's property is checked at run time, at more than the counting costs. So there are only
    // instant ones: what is to be changed is swapped out to a local variable, changed there and swapped back.
    private var words: [UInt64]
    private var index: RecorderIndex
    /// The last snapshot's numbers; their memory is reused once no reader holds them.
    private var handedOut: [UInt64] = []
    private let labels: SeriesLabels
    private let scale = HistogramScale.shared
    /// True if a decoder has met bytes that it could not follow since the last call of ``takeDecodeFailure()``.
    public private(set) var hasDecodeFailure = false
    private var failure: DecodeFailure?
    /// The operations behind the ids, so that each protocol's own codes are all told apart; `nil` if not known.
    public var operations: OperationRegistry?
    /// The clock of the calls that are counted.
    public let clock: CallClock

    /// A recorder that has counted nothing.
    ///
    /// - Parameters:
    ///   - labels: The process's table of codes and exception classes, shared by all recorders.
    ///   - clock: The clock of the calls that will be counted.
    public init(labels: SeriesLabels, clock: CallClock = .monotonic) {
        self.clock = clock
        words = [UInt64](repeating: 0, count: MetricCatalog.end.word)
        index = RecorderIndex(histograms: MetricCatalog.end.histogram)
        self.labels = labels
    }

    /// A decoder met bytes that it could not follow.
    func note(_ failure: DecodeFailure) {
        self.failure = failure
        hasDecodeFailure = true
    }

    /// The last bytes that a decoder could not follow; `nil` after it was returned once.
    public func takeDecodeFailure() -> DecodeFailure? {
        hasDecodeFailure = false
        defer { failure = nil }
        return failure
    }

    /// A copy of all numbers that may go to another thread.
    ///
    /// It costs the worker 0.1 ns a byte: 0.3 ms for 4,000 busy series. Copying now, into existing memory, is cheaper
    /// than a copy on the next write, which costs mostly fresh pages.
    public func snapshot() -> RecorderSnapshot {
        var copy: [UInt64] = []
        swap(&copy, &handedOut)
        if copy.count == words.count {
            var target = copy.mutableSpan
            let source = words.span
            for at in source.indices { target[at] = source[at] }
        } else {
            copy = words
        }
        handedOut = copy
        return RecorderSnapshot(words: copy, index: index, clock: clock)
    }

    // MARK: Calls

    /// A request was seen: one more call is in flight.
    ///
    /// - Parameters:
    ///   - operation: The operation.
    ///   - side: The side that Weir is on.
    public func callStarted(_ operation: OperationID, side: Side) {
        add(1, at: row(operation, side).row.words &+ RecorderIndex.CounterSlot.inFlight)
    }

    /// A call ended: counts its outcome, code and bytes, and its duration when the application answered.
    ///
    /// - Parameters:
    ///   - call: The facts of the call.
    ///   - wasInFlight: True if ``callStarted(_:side:)`` was called for it.
    ///   - isStream: True if it was a stream, whose duration does not tell about the service.
    public func callFinished(_ call: FinishedCall, wasInFlight: Bool, isStream: Bool = false) {
        let (at, row) = row(call.operation, call.side)
        let result = result(call, at: at, row)
        let isTimed = call.outcome.isAnswered && !isStream
        let place = isTimed ? place(of: call.durationNanoseconds, in: row.duration) : nil
        var cells: [UInt64] = []
        swap(&cells, &words)
        var numbers = cells.mutableSpan
        numbers[result] &+= 1
        numbers[row.words &+ RecorderIndex.CounterSlot.requestBytes] &+= call.requestBytes
        numbers[row.words &+ RecorderIndex.CounterSlot.responseBytes] &+= call.responseBytes
        if wasInFlight { numbers[row.words &+ RecorderIndex.CounterSlot.inFlight] &-= 1 }
        if let place {
            Self.record(call.durationNanoseconds, place: place, first: row.duration.words, numbers: &numbers)
        }
        swap(&cells, &words)
    }

    /// A call that was counted has a span: it becomes the example of its duration's classic bucket.
    ///
    /// It takes 680 bytes at the first exemplar of an operation on a side, and nothing afterwards.
    ///
    /// - Parameters:
    ///   - call: The call that was just passed to ``callFinished(_:wasInFlight:isStream:)``.
    ///   - traceID: The trace it belongs to.
    ///   - spanID: Its span, not 0.
    ///   - isStream: True if it was a stream; such a call has no duration to be an example of.
    public func exemplar(_ call: FinishedCall, traceID: TraceID, spanID: UInt64, isStream: Bool = false) {
        typealias Word = RecorderIndex.ExemplarSlot
        guard call.outcome.isAnswered, !isStream else { return }
        let (at, row) = row(call.operation, call.side)
        let first = row.exemplars != 0 ? row.exemplars : grow { $0.makeExemplars(row: at, &$1) }
        let nanoseconds = call.durationNanoseconds
        let bucket = scale.classicBucket(of: nanoseconds, nativeBucket: scale.nativeBucket(of: nanoseconds))
        let place = first &+ bucket &* Word.total
        var cells: [UInt64] = []
        swap(&cells, &words)
        var numbers = cells.mutableSpan
        numbers[place &+ Word.nanoseconds] = nanoseconds
        numbers[place &+ Word.traceHigh] = traceID.high
        numbers[place &+ Word.traceLow] = traceID.low
        numbers[place &+ Word.span] = spanID
        numbers[place &+ Word.end] = call.startNanoseconds &+ nanoseconds
        swap(&cells, &words)
    }

    /// A call that was a stream ended, which ``callFinished(_:wasInFlight:isStream:)`` was told of.
    ///
    /// - Parameters:
    ///   - call: The facts of the call.
    ///   - requests: The messages it carried to the service.
    ///   - responses: The messages it carried back.
    public func streamFinished(_ call: FinishedCall, requests: UInt64, responses: UInt64) {
        let (at, row) = row(call.operation, call.side)
        if row.streams == nil {
            _ = grow { index, words in
                index.rows[at].streams = index.makeHistogram(&words)
                return 0
            }
        }
        messages(call, requests: requests, responses: responses)
        if let streams = index.rows[at].streams { record(call.durationNanoseconds, in: streams) }
    }

    /// Counts the messages of a call with more than one message in a direction, even if it is not a stream.
    ///
    /// - Parameters:
    ///   - call: The facts of the call.
    ///   - requests: The messages it carried to the service.
    ///   - responses: The messages it carried back.
    public func messages(_ call: FinishedCall, requests: UInt64, responses: UInt64) {
        let row = row(call.operation, call.side).row
        add(requests, at: row.words &+ RecorderIndex.CounterSlot.streamedRequests)
        add(responses, at: row.words &+ RecorderIndex.CounterSlot.streamedResponses)
    }

    /// A call's caller waits no longer for it, though it has not ended yet: it is in flight no more.
    ///
    /// - Parameters:
    ///   - operation: The operation.
    ///   - side: The side that Weir is on.
    public func callGivenUp(_ operation: OperationID, side: Side) {
        add(.max, at: row(operation, side).row.words &+ RecorderIndex.CounterSlot.inFlight)
    }

    /// A reply came to a call that had been given up.
    ///
    /// - Parameters:
    ///   - operation: The operation.
    ///   - side: The side that Weir is on.
    public func lateReply(_ operation: OperationID, side: Side) {
        add(1, at: row(operation, side).row.words &+ RecorderIndex.CounterSlot.lateReplies)
    }

    /// A reply carried an exception.
    ///
    /// - Parameters:
    ///   - operation: The operation.
    ///   - side: The side that Weir is on.
    ///   - className: The exception's class, cut to ``SeriesLabels/maxClassNameBytes``, told apart by a seeded hash.
    public func exception(_ operation: OperationID, side: Side, className: RawSpan) {
        let (at, row) = row(operation, side)
        let name = className.extracting(first: SeriesLabels.maxClassNameBytes)
        var hash = ByteHash(seed: ByteHash.processSeed)
        hash.combine(name)
        add(1, at: known(hash.value, row) ?? newException(name, hash.value, at: at, operation: operation))
    }

    // MARK: Numbers

    /// The place of a duration besides the histogram's fixed numbers.
    private struct DurationPlace {
        /// The position of the native bucket.
        var native: Int
        var classic: Int
    }

    /// Adds to one number, wrapping.
    @inline(__always) @usableFromInline
    func add(_ value: UInt64, at position: Int) {
        var cells: [UInt64] = []
        swap(&cells, &words)
        cells[position] &+= value
        swap(&cells, &words)
    }

    /// Makes one number, a gauge's, another.
    @usableFromInline
    func set(_ value: UInt64, at position: Int) { add(value &- words[position], at: position) }

    /// Counts a duration.
    func record(_ nanoseconds: UInt64, in histogram: HistogramID) {
        let place = place(of: nanoseconds, in: histogram)
        var cells: [UInt64] = []
        swap(&cells, &words)
        var numbers = cells.mutableSpan
        Self.record(nanoseconds, place: place, first: histogram.words, numbers: &numbers)
        swap(&cells, &words)
    }

    @inline(__always)
    private static func record(
        _ nanoseconds: UInt64,
        place: DurationPlace,
        first: Int,
        numbers: inout MutableSpan<UInt64>
    ) {
        typealias Word = RecorderIndex.HistogramSlot
        numbers[place.native] &+= 1
        numbers[first &+ Word.count] &+= 1
        numbers[first &+ Word.sum] &+= nanoseconds
        if nanoseconds > numbers[first &+ Word.max] { numbers[first &+ Word.max] = nanoseconds }
        numbers[first &+ Word.classic &+ place.classic] &+= 1
    }

    @inline(__always)
    private func place(of nanoseconds: UInt64, in histogram: HistogramID) -> DurationPlace {
        let bucket = scale.nativeBucket(of: nanoseconds)
        let classic = scale.classicBucket(of: nanoseconds, nativeBucket: bucket)
        guard bucket != 0 else {
            return DurationPlace(native: histogram.words &+ RecorderIndex.HistogramSlot.zero, classic: classic)
        }
        let octave = histogram.octaves &+ (bucket &- 1) &>> 3
        let known = Int(index.octaves[octave])
        let chunk = known != 0 ? known : grow { index, words in index.makeChunk(octave, &words) }
        return DurationPlace(native: chunk &+ (bucket &- 1) & 7, classic: classic)
    }

    /// Adds a place for a value that is seen for the first time.
    @inline(never)
    func grow(_ body: (inout RecorderIndex, inout [UInt64]) -> Int) -> Int {
        var (index, words) = (RecorderIndex(), [UInt64]())
        swap(&index, &self.index)
        swap(&words, &self.words)
        let position = body(&index, &words)
        swap(&index, &self.index)
        swap(&words, &self.words)
        return position
    }

    // MARK: Series

    /// The row of an operation on a side, made on first use.
    @inline(__always)
    private func row(_ operation: OperationID, _ side: Side) -> (at: Int, row: RecorderIndex.Row) {
        let at =
            index.row(operation, side) ?? grow { index, words in index.makeRow(operation, side: side, words: &words) }
        return (at, index.rows[at])
    }

    /// The place of a call's outcome and code.
    @inline(__always)
    private func result(_ call: FinishedCall, at row: Int, _ known: RecorderIndex.Row) -> Int {
        if call.caller != 0 { return callerResult(call, row: row) }
        return words(of: RecorderIndex.Result.key(call), from: known.firstResult) ?? newResult(call, row: row)
    }

    /// The place for a call whose caller is told apart; a function of its own, so that it costs nothing without
    /// callers.
    @inline(never)
    private func callerResult(_ call: FinishedCall, row: Int) -> Int {
        let callers = Int(index.rows[row].callers)
        guard callers >= 0 else { return newResult(call, row: row) }
        let first = index.callerResults[callers &+ Int(call.caller) &- 1]
        return words(of: RecorderIndex.Result.key(call), from: first) ?? newResult(call, row: row)
    }

    /// Where the result of that key is counted, if it is in the list that begins at `first`.
    @inline(__always)
    private func words(of key: UInt64, from first: Int32) -> Int? {
        var next = Int(first)
        while next >= 0 {
            let result = index.results[next]
            if result.key == key { return result.words }
            next = Int(result.next)
        }
        return nil
    }

    /// The place of a new result, or of one whose code or caller is counted among the others.
    @inline(never)
    private func newResult(_ call: FinishedCall, row: Int) -> Int {
        let all = index.allCodes[row]
        var place = 0
        while place < all.count, all[place] != call.code { place &+= 1 }
        if place == all.count { place = newPlace(call, row: row, areOthersKnown: !all.isEmpty) }
        let result = RecorderIndex.Result(
            key: RecorderIndex.Result.key(call),
            place: UInt8(place),
            caller: call.caller,
            words: 0
        )
        return grow { index, words in index.position(result, row: row, &words) }
    }

    /// The place of a code that this row does not know; asked for only where it may be told apart.
    private func newPlace(_ call: FinishedCall, row: Int, areOthersKnown: Bool) -> Int {
        let callProtocol = index.protocols[row] ?? learnProtocol(call.operation, row: row)
        if areOthersKnown {
            guard let callProtocol, ResultCode.isOwn(call.code, of: callProtocol) else { return SeriesLabels.otherCode }
        }
        let known = labels.place(ofCode: call.code, of: call.operation, in: callProtocol)
        if !areOthersKnown, let all = known.all {
            _ = grow { index, _ in
                index.allCodes[row] = all
                return 0
            }
        }
        return known.place
    }

    private func learnProtocol(_ operation: OperationID, row: Int) -> CallProtocol? {
        guard let operations else { return nil }
        let callProtocol = operations[operation].callProtocol
        _ = grow { index, _ in
            index.protocols[row] = callProtocol
            return 0
        }
        return callProtocol
    }

    /// The place of an exception class, or `nil` if this row has not seen it and others may still be told apart.
    private func known(_ hash: UInt64, _ row: RecorderIndex.Row) -> Int? {
        var next = Int(row.firstException)
        var other: Int?
        while next >= 0 {
            let known = index.exceptions[next]
            if known.place == SeriesLabels.limit {
                other = known.words
            } else if known.hash == hash {
                return known.words
            }
            next = Int(known.next)
        }
        return row.hasAllExceptions ? other : nil
    }

    @inline(never)
    private func newException(_ name: RawSpan, _ hash: UInt64, at row: Int, operation: OperationID) -> Int {
        let (place, all) = labels.place(ofException: name.text, of: operation)
        return grow { index, words in
            if let all {
                for (place, name) in all.enumerated() {
                    index.position(ofException: Self.hash(of: name), place: place, row: row, &words)
                }
                index.position(ofException: 0, place: SeriesLabels.limit, row: row, &words)
                index.rows[row].hasAllExceptions = true
            }
            return index.position(ofException: hash, place: place, row: row, &words)
        }
    }

    private static func hash(of name: String) -> UInt64 {
        var hash = ByteHash(seed: ByteHash.processSeed)
        let bytes = Array(name.utf8)
        hash.combine(bytes.byteSpan)
        return hash.value
    }
}

/// Bytes that a decoder could not follow.
public struct DecodeFailure: Equatable, Sendable {
    /// The protocol of the decoder.
    public let connectionProtocol: ConnectionProtocol
    /// The error's label, as the metric has it.
    public let reason: String
}
