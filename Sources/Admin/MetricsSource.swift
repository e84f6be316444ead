internal import Calls
internal import Telemetry

/// Asks the workers and renders what they answer; one request after the other, so that a page is built once at a time.
///
/// The numbers of the last seconds and minutes are differences to the pages before; see `CallWindows`.
actor MetricsSource {
    private let backend: any AdminBackend
    private var page = MetricsPage(startNanoseconds: WorkerClock.now())
    private var staleWorkers: UInt64 = 0

    init(backend: any AdminBackend) { self.backend = backend }

    /// The metrics page.
    func metrics(_ format: ExpositionFormat) async -> [UInt8] {
        let snapshot = await snapshot()
        // After the snapshot, so that every caller it names is known.
        let additions = await backend.additions()
        let context = MetricsPage.Context(
            build: backend.build,
            process: ProcessReadings.current(),
            staleWorkers: staleWorkers,
            nowNanoseconds: WorkerClock.now(),
            wallClockOffsetNanoseconds: WorkerClock.wallClockOffset(),
            additions: additions
        )
        return page.render(snapshot, context, format: format)
    }

    /// The answer of `/v1/operations`.
    func operations() async -> [UInt8] {
        let snapshot = await snapshot()
        var json = JSONText()
        snapshot.writeOperations(to: &json)
        json.endLine()
        return json.bytes
    }

    /// The answer of `/v1/connections`.
    func connections() async -> [UInt8] {
        var json = JSONText()
        json.beginArray()
        for connection in await backend.connections() { connection.write(to: &json) }
        json.endArray()
        json.endLine()
        return json.bytes
    }

    private func snapshot() async -> MetricsSnapshot {
        let answers = await backend.snapshots()
        staleWorkers += UInt64(clamping: answers.staleWorkers)
        return MetricsSnapshot(merging: answers.recorders, registry: backend.registry, labels: backend.labels)
    }
}
