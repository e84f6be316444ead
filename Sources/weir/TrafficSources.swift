internal import Calls
internal import Inspection
internal import Telemetry

/// The sources of a process's traffic, asked as one.
struct TrafficSources: Sendable {
    let all: [any TrafficSource]
    /// The subscribers that every source tells its calls.
    let subscribers: CallSubscribers

    /// The numbers of all sources' threads, and the number of those that are old.
    func snapshots() async -> (snapshots: [RecorderSnapshot], stale: Int) {
        var (snapshots, stale): ([RecorderSnapshot], Int) = ([], 0)
        for source in all {
            let answers = await source.snapshots()
            snapshots += answers.snapshots
            stale += answers.stale
        }
        return (snapshots, stale)
    }

    /// The open connections of all sources.
    func connections() async -> [ConnectionReport] {
        var connections: [ConnectionReport] = []
        for source in all { connections += await source.connections() }
        return connections
    }

    /// Has every source look at the limits in force.
    func limitsChanged() {
        for source in all { source.limitsChanged() }
    }

    /// Has every source look at the drains and tell its consumers.
    func drainsChanged() {
        for source in all { source.drainsChanged() }
    }
}
