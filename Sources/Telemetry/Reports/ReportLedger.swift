public import Calls

/// The last reported counts of each of the processes that followed each other.
///
/// Each process's numbers are kept separately, so that nothing is counted twice and nothing is lost, in whatever order
/// reports arrive and through however many processes. The ``maxGone`` latest processes that have gone keep their
/// entries; older ones are merged into one entry, which remembers the processes in it.
public struct ReportLedger: Sendable {
    /// The most processes that have gone and are kept apart.
    public static let maxGone = 8
    /// The most entries that one ledger takes from another.
    public static let maxEntries = 128
    /// The most entries of processes that may still report; beyond it, the process with the oldest numbers counts as
    /// gone.
    public static let maxKept = 80
    /// The most processes in an entry; the numbers of the oldest stay when its name is dropped.
    public static let maxProcesses = 4096
    private static let magic = "weir-ledger-1"

    /// The numbers of a process, or of several that have gone.
    public struct Entry: Equatable, Sendable {
        /// The processes they belong to, the oldest first.
        public var processes: [UInt64]
        /// The time they were taken, in monotonic nanoseconds.
        public var time: UInt64
        /// True if the process has gone: no newer numbers will come.
        public var isGone: Bool
        /// The bytes of a ``MetricsReport``.
        public var report: [UInt8]

        /// The numbers of a process that runs.
        ///
        /// - Parameters:
        ///   - process: The process they belong to.
        ///   - time: The time they were taken, in monotonic nanoseconds.
        ///   - report: The bytes of a ``MetricsReport``.
        public init(process: UInt64, time: UInt64, report: [UInt8]) {
            processes = [process]
            self.time = time
            isGone = false
            self.report = report
        }
    }

    /// The entries, in no order.
    public private(set) var entries: [Entry] = []

    /// An empty ledger.
    public init() {}

    // MARK: What is known

    /// Adds an entry; the later of two of the same process stays.
    public mutating func take(_ entry: Entry) {
        let theirs = Set(entry.processes)
        let places = entries.indices.filter { !theirs.isDisjoint(with: entries[$0].processes) }
        guard let first = places.first else {
            entries.append(entry)
            return
        }
        if places.count == 1, entries[first].processes == entry.processes {
            let isGone = entries[first].isGone || entry.isGone
            if entry.time >= entries[first].time { entries[first] = entry }
            entries[first].isGone = isGone
            return
        }
        // Numbers that are in a sum cannot be taken out of it.
        let known = places.reduce(into: Set<UInt64>()) { $0.formUnion(entries[$1].processes) }
        guard theirs.isSuperset(of: known) else { return }
        for place in places.reversed() { entries.remove(at: place) }
        entries.append(entry)
    }

    /// Notes that a process has gone, or that it is there after all.
    public mutating func note(_ process: UInt64, isGone: Bool) {
        for at in entries.indices where entries[at].processes == [process] { entries[at].isGone = isGone }
    }

    /// Merges the entries of processes that have gone, except the latest.
    ///
    /// - Parameters:
    ///   - running: The processes that report now.
    ///   - registry: This process's operations.
    ///   - labels: This process's codes and exception classes.
    ///   - callers: This process's callers, if they are told apart.
    public mutating func fold(
        running: Set<UInt64>,
        registry: OperationRegistry,
        labels: SeriesLabels,
        callers: CallerRegistry?
    ) {
        let silent = entries.indices.filter { !entries[$0].isGone && running.isDisjoint(with: entries[$0].processes) }
        let tooMany = max(0, entries.count - Self.maxKept)
        for at in silent.sorted(by: { entries[$0].time < entries[$1].time }).prefix(tooMany) {
            entries[at].isGone = true
        }
        let gone = entries.indices.filter { entries[$0].isGone }.sorted { entries[$0].time > entries[$1].time }
        let old = gone.dropFirst(Self.maxGone).filter { entries[$0].processes.count == 1 }
        guard !old.isEmpty else { return }
        let sums = entries.indices.filter { entries[$0].processes.count > 1 }
        let places = sums + old.reversed()
        var sum = MetricsReport(snapshot: MetricsSnapshot(), additions: .counters(with: callers))
        var processes: [UInt64] = []
        for place in places {
            processes += entries[place].processes
            // Each was read when it came.
            guard let report = try? entries[place].read(registry, labels) else { continue }
            sum.merge(report.ofGoneProcess, callers: callers)
        }
        var entry = Entry(process: 0, time: places.map { entries[$0].time }.max() ?? 0, report: sum.bytes)
        entry.processes = Array(processes.suffix(Self.maxProcesses))
        entry.isGone = true
        for place in places.sorted().reversed() { entries.remove(at: place) }
        entries.append(entry)
    }

    /// The reports; only the counters for processes that do not run.
    ///
    /// - Parameters:
    ///   - running: The processes that run.
    ///   - registry: This process's operations.
    ///   - labels: This process's codes and exception classes.
    /// - Returns: One report an entry.
    public func reports(
        running: Set<UInt64>,
        registry: OperationRegistry,
        labels: SeriesLabels
    ) -> [MetricsReport] {
        entries.compactMap { entry in
            guard let report = try? entry.read(registry, labels) else { return nil }
            return running.isDisjoint(with: entry.processes) ? report.ofGoneProcess : report
        }
    }

    // MARK: Bytes

    /// The ledger as bytes, with a process's own numbers at its head.
    public func bytes(own: Entry) -> [UInt8] {
        var writer = ReportWriter()
        writer.add(Self.magic)
        writer.add(each: [own] + entries) { writer, entry in
            writer.add(each: entry.processes) { $0.add($1) }
            writer.add(entry.time)
            writer.add(entry.isGone ? 1 : 0)
            writer.add(entry.report)
        }
        return ReportSeal.sealed(writer.bytes)
    }

    /// Reads what ``bytes(own:)`` wrote.
    ///
    /// - Parameters:
    ///   - bytes: Anything.
    ///   - registry: This process's operations, to which those of the reports are added.
    ///   - labels: This process's codes and exception classes.
    /// - Returns: The entries; the first is the process's own.
    /// - Throws: ``ReportError`` when any of it cannot be read.
    public static func entries(
        of bytes: [UInt8],
        registry: OperationRegistry,
        labels: SeriesLabels
    ) throws(ReportError) -> [Entry] {
        var reader = ReportReader(try ReportSeal.opened(bytes))
        guard try reader.text() == magic else { throw .malformed }
        let entries = try reader.each(atMost: maxEntries) { reader throws(ReportError) in try Entry(&reader) }
        guard reader.isAtEnd, !entries.isEmpty else { throw .malformed }
        for entry in entries { _ = try entry.read(registry, labels) }
        return entries
    }
}

extension ReportLedger.Entry {
    fileprivate init(_ reader: inout ReportReader) throws(ReportError) {
        processes = try reader.each(atMost: ReportLedger.maxProcesses) { reader throws(ReportError) in
            try reader.number()
        }
        guard !processes.isEmpty else { throw .malformed }
        time = try reader.number()
        isGone = try reader.number() != 0
        report = Array(try reader.piece())
    }

    fileprivate func read(_ registry: OperationRegistry, _ labels: SeriesLabels) throws(ReportError) -> MetricsReport {
        try MetricsReport(bytes: report[...], registry: registry, labels: labels)
    }
}

extension MetricsAdditions {
    /// Everything that is reported, at 0.
    fileprivate static func counters(with callers: CallerRegistry?) -> MetricsAdditions {
        var additions = MetricsAdditions()
        additions.callers = callers?.names
        additions.limits = []
        additions.drains = DrainReadings(states: [], signals: [])
        additions.adminCuts = []
        additions.addCounters()
        return additions
    }
}

/// Eight bytes at the end of reports that reveal a change or a missing part.
///
/// Source: FNV-1a of 64 bits. It guards against mistakes, not against malice: the reporting process is checked by its
/// user.
public enum ReportSeal {
    private static func hash(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    /// Appends them.
    public static func sealed(_ bytes: [UInt8]) -> [UInt8] {
        let hash = hash(bytes[...])
        return bytes + stride(from: UInt64(0), to: 64, by: 8).map { UInt8(truncatingIfNeeded: hash &>> $0) }
    }

    /// Checks and removes the seal.
    ///
    /// - Throws: ``ReportError`` when they are others.
    public static func opened(_ bytes: [UInt8]) throws(ReportError) -> ArraySlice<UInt8> {
        guard bytes.count >= 8 else { throw .malformed }
        let content = bytes.dropLast(8)
        let hash = bytes.suffix(8).reversed().reduce(UInt64(0)) { $0 &<< 8 | UInt64($1) }
        guard hash == self.hash(content) else { throw .malformed }
        return content
    }
}
