internal import Calls

/// The id of a histogram.
struct HistogramID: BitwiseCopyable, Sendable {
    /// The start of its fixed numbers; see ``RecorderIndex/HistogramSlot``.
    var words: Int
    /// The start of its table of octaves in ``RecorderIndex/octaves``.
    var octaves: Int
}

/// The places of a ``Recorder``'s numbers: everything but the numbers themselves.
///
/// The numbers are one flat array, so that recording writes to one piece of memory and a snapshot hands over one
/// reference; the index only gives them meaning. It changes when a value is seen for the first time.
struct RecorderIndex: Sendable {
    /// The numbers at the start of a histogram.
    enum HistogramSlot {
        static let count = 0
        static let sum = 1
        static let max = 2
        static let zero = 3
        static let classic = 4
        static let total = classic + HistogramScale.classicCount
    }

    /// The numbers at the start of a row.
    enum CounterSlot {
        static let inFlight = 0
        static let requestBytes = 1
        static let responseBytes = 2
        static let lateReplies = 3
        static let streamedRequests = 4
        static let streamedResponses = 5
        static let total = 6
    }

    /// The numbers of an exemplar; a row has one exemplar for each classic bucket.
    enum ExemplarSlot {
        static let nanoseconds = 0
        static let traceHigh = 1
        static let traceLow = 2
        /// 0 when there is no exemplar.
        static let span = 3
        static let end = 4
        static let total = 5
    }

    /// One operation on one side.
    struct Row: BitwiseCopyable, Sendable {
        /// The start of its numbers; see ``CounterSlot``.
        var words: Int
        /// The durations of its answered calls.
        var duration: HistogramID
        /// The durations of its streams; `nil` before the first one ended.
        var streams: HistogramID?
        /// The start of its exemplars; 0 before the first one.
        var exemplars = 0
        /// The first of its results without a caller, −1 for none.
        var firstResult: Int32 = -1
        /// The start of its callers' first results in ``callerResults``, −1 before the first call with a caller.
        var callers: Int32 = -1
        /// The first of its exceptions, −1 for none.
        var firstException: Int32 = -1
        /// True if all exception classes that the operation may have are in the list.
        var hasAllExceptions = false
    }

    /// One outcome with one code of one caller.
    struct Result: BitwiseCopyable, Sendable {
        /// Code and outcome; the code of place `other` is the first one that fell there.
        var key: UInt64
        /// The code's place in ``SeriesLabels``.
        var place: UInt8
        /// The caller's place in the process's ``CallerRegistry``.
        var caller: UInt8
        /// The next result of the row and the caller, −1 for none.
        var next: Int32 = -1
        /// The place of its count.
        var words: Int

        var outcomeValue: UInt8 { UInt8(truncatingIfNeeded: key &>> 32) }

        /// The common key of a caller's calls that are counted together.
        @inline(__always)
        static func key(_ call: FinishedCall) -> UInt64 {
            UInt64(UInt32(bitPattern: call.code)) | UInt64(call.outcome.rawValue) &<< 32
        }
    }

    /// One exception class.
    struct Exception: BitwiseCopyable, Sendable {
        /// The name's hash under the process's seed.
        var hash: UInt64
        /// The class's place in ``SeriesLabels``.
        var place: UInt8
        /// The next exception of the row, −1 for none.
        var next: Int32
        /// The place of its count.
        var words: Int
    }

    /// A decoder's reason to give up.
    struct DecodeReason: Hashable, Sendable {
        var connectionProtocol: ConnectionProtocol
        var reason: String
    }

    /// By operation index and side: the row's index plus one, 0 for none.
    var rowOf: [UInt32] = []
    var rows: [Row] = []
    /// Per histogram ``HistogramScale/octaveCount`` positions of chunks of eight buckets, 0 for none.
    var octaves: [UInt32] = []
    var results: [Result] = []
    /// By row with callers, and by caller from 1: the first of the caller's results, −1 for none.
    var callerResults: [Int32] = []
    /// The number of results with a caller.
    var callerResultCount = 0
    var exceptions: [Exception] = []
    /// By row: all codes of the operation, once no further one is told apart but its protocol's own; empty before.
    var allCodes: [[Int32]] = []
    /// By row: the operation's protocol; `nil` before its first use.
    var protocols: [CallProtocol?] = []
    /// The places of decode errors.
    var decodeErrors: [DecodeReason: Int] = [:]

    /// An index with places for the histograms of ``MetricCatalog`` only.
    init(histograms: Int = 0) {
        octaves = [UInt32](repeating: 0, count: histograms * HistogramScale.octaveCount)
    }

    /// The row of an operation on a side, or `nil` when nothing was recorded of it.
    @inline(__always)
    func row(_ operation: OperationID, _ side: Side) -> Int? {
        let key = operation.index &* 2 &+ Int(side.rawValue)
        guard key < rowOf.count, rowOf[key] != 0 else { return nil }
        return Int(rowOf[key]) &- 1
    }

    /// The first of a caller's results in a row, −1 for none.
    func firstResult(of caller: UInt8, _ row: Row) -> Int32 {
        if caller == 0 { return row.firstResult }
        return row.callers < 0 ? -1 : callerResults[Int(row.callers) + Int(caller) - 1]
    }

    // MARK: Growing

    /// Makes the row of an operation on a side.
    mutating func makeRow(_ operation: OperationID, side: Side, words: inout [UInt64]) -> Int {
        let key = operation.index * 2 + Int(side.rawValue)
        while rowOf.count <= key { rowOf.append(0) }
        let first = words.allocate(CounterSlot.total)
        rows.append(Row(words: first, duration: makeHistogram(&words)))
        allCodes.append([])
        protocols.append(nil)
        rowOf[key] = UInt32(rows.count)
        return rows.count - 1
    }

    /// Makes an empty histogram.
    mutating func makeHistogram(_ words: inout [UInt64]) -> HistogramID {
        let first = octaves.count
        octaves.append(contentsOf: repeatElement(0, count: HistogramScale.octaveCount))
        return HistogramID(words: words.allocate(HistogramSlot.total), octaves: first)
    }

    /// Makes the buckets of one octave of a histogram.
    mutating func makeChunk(_ octave: Int, _ words: inout [UInt64]) -> Int {
        let chunk = words.allocate(HistogramScale.bucketsPerOctave)
        octaves[octave] = UInt32(chunk)
        return chunk
    }

    /// Makes the exemplars of a row, all missing.
    mutating func makeExemplars(row: Int, _ words: inout [UInt64]) -> Int {
        rows[row].exemplars = words.allocate(HistogramScale.classicCount * ExemplarSlot.total)
        return rows[row].exemplars
    }

    /// The place of a caller's outcome with a code; added if there is none.
    ///
    /// Past ``Recorder/maxCallerResults`` the caller is `_other`.
    mutating func position(_ result: Result, row: Int, _ words: inout [UInt64]) -> Int {
        var last: Int32 = -1
        var at = firstResult(of: result.caller, rows[row])
        while at >= 0 {
            let known = results[Int(at)]
            if known.place == result.place, known.outcomeValue == result.outcomeValue { return known.words }
            last = at
            at = known.next
        }
        if result.caller != 0, result.caller != CallerRegistry.other, callerResultCount >= Recorder.maxCallerResults {
            var other = result
            other.caller = CallerRegistry.other
            return position(other, row: row, &words)
        }
        var new = result
        new.words = words.allocate(1)
        results.append(new)
        if result.caller != 0 { callerResultCount += 1 }
        // Last in the list, so that what is usual, seen first, is found first.
        let index = Int32(results.count - 1)
        if last < 0 { setFirst(index, of: result.caller, row: row) } else { results[Int(last)].next = index }
        return new.words
    }

    private mutating func setFirst(_ index: Int32, of caller: UInt8, row: Int) {
        guard caller != 0 else {
            rows[row].firstResult = index
            return
        }
        if rows[row].callers < 0 {
            rows[row].callers = Int32(callerResults.count)
            callerResults.append(contentsOf: repeatElement(-1, count: Int(CallerRegistry.other)))
        }
        callerResults[Int(rows[row].callers) + Int(caller) - 1] = index
    }

    /// The place of an exception class; added if there is none.
    @discardableResult
    mutating func position(ofException hash: UInt64, place: Int, row: Int, _ words: inout [UInt64]) -> Int {
        var at = rows[row].firstException
        while at >= 0 {
            let known = exceptions[Int(at)]
            if Int(known.place) == place { return known.words }
            at = known.next
        }
        let new = Exception(hash: hash, place: UInt8(place), next: rows[row].firstException, words: words.allocate(1))
        exceptions.append(new)
        rows[row].firstException = Int32(exceptions.count - 1)
        return new.words
    }

    /// The place of a decoder's reason; past ``Recorder/maxDecodeReasons`` it is `other`.
    mutating func position(_ reason: DecodeReason, _ words: inout [UInt64]) -> Int {
        if let known = decodeErrors[reason] { return known }
        var reason = reason
        if decodeErrors.count >= Recorder.maxDecodeReasons {
            reason.reason = "other"
            if let known = decodeErrors[reason] { return known }
        }
        let position = words.allocate(1)
        decodeErrors[reason] = position
        return position
    }
}

extension [UInt64] {
    /// Adds `count` numbers, all 0, and returns the place of the first one.
    fileprivate mutating func allocate(_ count: Int) -> Int {
        let first = self.count
        append(contentsOf: repeatElement(0, count: count))
        return first
    }
}
