internal import Calls

/// All numbers of one worker at one moment: a value that may go to another thread.
///
/// It holds the worker's arrays by reference until the worker writes again, so release it once it is merged.
public struct RecorderSnapshot: Sendable {
    /// The numbers.
    let words: [UInt64]
    /// The places of the numbers.
    let index: RecorderIndex
    /// The clock of the calls that were counted.
    let clock: CallClock

    /// A histogram's numbers.
    func histogram(_ histogram: HistogramID) -> HistogramSnapshot {
        typealias Word = RecorderIndex.HistogramSlot
        var snapshot = HistogramSnapshot()
        let first = histogram.words
        snapshot.count = words[first + Word.count]
        guard snapshot.count > 0 else { return snapshot }
        snapshot.sumNanoseconds = words[first + Word.sum]
        snapshot.maxNanoseconds = words[first + Word.max]
        snapshot.zeroCount = words[first + Word.zero]
        let classic = first + Word.classic
        snapshot.classic = Array(words[classic..<classic + HistogramScale.classicCount])
        for octave in 0..<HistogramScale.octaveCount {
            let chunk = Int(index.octaves[histogram.octaves + octave])
            guard chunk != 0 else { continue }
            for at in 0..<HistogramScale.bucketsPerOctave where words[chunk + at] != 0 {
                let bucket = octave * HistogramScale.bucketsPerOctave + at + 1
                snapshot.buckets.append(HistogramSnapshot.Bucket(bucket: bucket, count: words[chunk + at]))
            }
        }
        return snapshot
    }

    /// A histogram of a metric of the catalogue.
    ///
    /// - Parameters:
    ///   - number: The number of the catalogue's histogram.
    ///   - slots: The metric's.
    /// - Returns: Its numbers.
    func histogram(numbered number: Int, of slots: WorkerSlots) -> HistogramSnapshot {
        let before = number - slots.histograms.lowerBound
        return histogram(
            HistogramID(
                words: slots.words.lowerBound + before * RecorderIndex.HistogramSlot.total,
                octaves: number * HistogramScale.octaveCount
            )
        )
    }

    /// A row's exemplars.
    func exemplars(of row: RecorderIndex.Row) -> [HistogramSnapshot.Exemplar] {
        typealias Word = RecorderIndex.ExemplarSlot
        guard row.exemplars != 0 else { return [] }
        return (0..<HistogramScale.classicCount).compactMap { bucket in
            let first = row.exemplars + bucket * Word.total
            guard words[first + Word.span] != 0 else { return nil }
            return HistogramSnapshot.Exemplar(
                bucket: bucket,
                nanoseconds: words[first + Word.nanoseconds],
                traceID: TraceID(high: words[first + Word.traceHigh], low: words[first + Word.traceLow]),
                spanID: words[first + Word.span],
                endNanoseconds: words[first + Word.end],
                clock: clock
            )
        }
    }

    /// Calls `body` for each outcome and code of a row, of each caller.
    func eachResult(of row: RecorderIndex.Row, _ body: (RecorderIndex.Result) -> Void) {
        eachResult(from: row.firstResult, body)
        guard row.callers >= 0 else { return }
        for caller in 0..<Int(CallerRegistry.other) {
            eachResult(from: index.callerResults[Int(row.callers) + caller], body)
        }
    }

    private func eachResult(from first: Int32, _ body: (RecorderIndex.Result) -> Void) {
        var at = first
        while at >= 0 {
            body(index.results[Int(at)])
            at = index.results[Int(at)].next
        }
    }

    /// Calls `body` for each exception class of a row.
    func eachException(of row: RecorderIndex.Row, _ body: (RecorderIndex.Exception) -> Void) {
        var at = row.firstException
        while at >= 0 {
            body(index.exceptions[Int(at)])
            at = index.exceptions[Int(at)].next
        }
    }
}
