internal import Calls
internal import Clocks
internal import NIOCore
internal import Telemetry

/// The renderer of the workers' answers, one page at a time; concurrent clients share a page.
///
/// The numbers of the last seconds and minutes are differences to earlier pages; see `CallWindows`.
actor MetricsSource {
    /// The pages that are rendered here.
    enum Kind: Hashable {
        case metrics(ExpositionFormat)
        case operations
        case connections

        var contentType: String {
            switch self {
            case .metrics(let format): format.contentType
            case .operations, .connections: "application/json"
            }
        }
    }

    /// JSON is packed in pieces of this many bytes.
    private static let pieceBytes = 64 << 10

    private let backend: any AdminBackend
    private let live: LivePages
    private let counters: AdminCounters
    private var page: MetricsPage
    private var staleWorkers: UInt64 = 0
    private var pages: [Kind: RenderedPage] = [:]
    private var underWay: [Kind: Task<RenderedPage, any Error>] = [:]
    /// Ends when all that is under way is done.
    private var last: Task<Void, Never>?

    init(backend: any AdminBackend, live: LivePages, counters: AdminCounters) {
        self.backend = backend
        self.live = live
        self.counters = counters
        // What others have counted was not 0 when this process began.
        page = MetricsPage(startNanoseconds: backend.isSuccessor ? nil : SystemClock.now())
    }

    /// A page that is 1 s old at most.
    ///
    /// - Throws: ``OutOfMemory``.
    func page(_ kind: Kind) async throws -> RenderedPage {
        if let page = pages[kind], page.isFresh(at: SystemClock.now()) { return page }
        if let task = underWay[kind] { return try await task.value }
        let before = last
        let task = Task {
            await before?.value
            return try await render(kind)
        }
        underWay[kind] = task
        last = Task { _ = try? await task.value }
        return try await task.value
    }

    private func render(_ kind: Kind) async throws -> RenderedPage {
        defer { underWay[kind] = nil }
        // Room first: the old page is of no use any more.
        pages[kind] = nil
        let begun = SystemClock.now()
        let writer = try GzipWriter()
        let work =
            switch kind {
            case .metrics(let format): await metrics(format, into: writer)
            case .operations: await operations(into: writer)
            case .connections: await connections(into: writer)
            }
        let page = RenderedPage(contentType: kind.contentType, writer, begun: begun, work: work)
        pages[kind] = page
        live.add(page)
        Task {
            try? await Task.sleep(nanoseconds: RenderedPage.maxAgeNanoseconds)
            forget(kind, page)
        }
        return page
    }

    private func forget(_ kind: Kind, _ page: RenderedPage) {
        if pages[kind] === page { pages[kind] = nil }
    }

    // MARK: Rendering; each returns how long it took, waiting not counted

    private func metrics(_ format: ExpositionFormat, into writer: GzipWriter) async -> UInt64 {
        let others = await backend.others()
        let answers = await snapshots()
        let additions = await additions()
        let start = SystemClock.now()
        var process = ProcessReadings.current()
        let all = merged(answers, additions: additions, process: process, with: others)
        process?.cpuSeconds = Double(all.cpuNanoseconds) / 1e9
        let context = MetricsPage.Context(
            build: backend.build,
            process: process,
            staleWorkers: all.staleWorkers,
            nowNanoseconds: SystemClock.now(),
            wallClockOffsetNanoseconds: SystemClock.epochOffset(),
            additions: all.additions
        )
        page.render(all.snapshot, context, format: format) { writer.append($0) }
        return SystemClock.now() &- start
    }

    /// The counts of this process.
    func report() async -> MetricsReport {
        let answers = await snapshots()
        return merged(answers, additions: await additions(), process: ProcessReadings.current(), with: [])
    }

    /// Call it after the workers' snapshots were taken, so that every caller they name is known.
    private func additions() async -> MetricsAdditions {
        var additions = await backend.additions()
        additions.adminCuts = AdminCloseReason.allCases.map { ($0.label, counters[$0]) }
        return additions
    }

    private func merged(
        _ answers: WorkerSnapshots,
        additions: MetricsAdditions,
        process: ProcessReadings?,
        with others: [MetricsReport]
    ) -> MetricsReport {
        var all = MetricsReport(
            snapshot: merged(answers),
            additions: additions,
            staleWorkers: staleWorkers,
            cpuNanoseconds: process.flatMap { UInt64(exactly: ($0.cpuSeconds * 1e9).rounded()) } ?? 0
        )
        for other in others { all.merge(other, callers: backend.callers) }
        return all
    }

    private func operations(into writer: GzipWriter) async -> UInt64 {
        let others = await backend.others()
        let answers = await snapshots()
        let start = SystemClock.now()
        let all = merged(answers, additions: MetricsAdditions(), process: nil, with: others)
        write(all.snapshot.operations, into: writer) { $0.write(to: &$1) }
        return SystemClock.now() &- start
    }

    private func connections(into writer: GzipWriter) async -> UInt64 {
        let connections = await backend.connections()
        let start = SystemClock.now()
        write(connections, into: writer) { $0.write(to: &$1) }
        return SystemClock.now() &- start
    }

    /// Writes an array in pieces.
    private func write<Element>(
        _ elements: [Element],
        into writer: GzipWriter,
        _ write: (Element, inout JSONText) -> Void
    ) {
        var json = JSONText()
        json.beginArray()
        for element in elements {
            write(element, &json)
            if json.bytes.count >= Self.pieceBytes { writer.append(json.takeBytes()) }
        }
        json.endArray()
        json.endLine()
        writer.append(json.takeBytes())
    }

    private func snapshots() async -> WorkerSnapshots {
        let answers = await backend.snapshots()
        staleWorkers += UInt64(clamping: answers.staleWorkers)
        return answers
    }

    private func merged(_ answers: WorkerSnapshots) -> MetricsSnapshot {
        MetricsSnapshot(merging: answers.recorders, registry: backend.registry, labels: backend.labels)
    }
}
