internal import Calls

extension MetricFamily {
    /// A counter of bytes.
    static func bytes(_ name: String, help: String) -> MetricFamily {
        MetricFamily(name: name, kind: .counter, unit: "bytes", help: help)
    }
}

/// The families that do not tell operations apart.
extension ExpositionWriter {
    /// Connections and what passes on them besides calls.
    mutating func writeConnections(_ snapshot: MetricsSnapshot) {
        begin(MetricFamily(name: "weir_open_connections", kind: .gauge, help: "Relayed connections open now."))
        for row in snapshot.connections { sample(Self.labels(row), row.open) }
        let total = "Relayed connections, by the protocol they were seen to speak; silent ones when they end."
        begin(MetricFamily(name: "weir_connections", kind: .counter, help: total))
        for row in snapshot.connections { sample(Self.labels(row), row.total) }
        let redirected = "Connections that the kernel redirected to Weir, whether they could be relayed or not."
        begin(MetricFamily(name: "weir_intercepted_connections", kind: .counter, help: redirected))
        for (side, count) in snapshot.intercepted { sample(Self.labels("side", side.label), count) }
        begin(MetricFamily(name: "weir_connections_refused", kind: .counter, help: "Connections not relayed."))
        for (reason, count) in snapshot.refused { sample(Self.labels("reason", reason.label), count) }
        begin(MetricFamily(name: "weir_heartbeats", kind: .counter, help: "Heartbeat requests."))
        for (side, event, count) in snapshot.events where event == .heartbeat {
            sample(Self.labels("side", side.label), count)
        }
        begin(MetricFamily(name: "weir_events", kind: .counter, help: "Event requests, heartbeats among them."))
        for (side, event, count) in snapshot.events {
            var labels = LabelText(Self.labelForm)
            labels.add("side", side.label.description)
            labels.add("event", event.label.description)
            sample(labels.bytes, count)
        }
        let trips = "First byte of a heartbeat request seen to last byte of its answer seen."
        begin(
            MetricFamily(name: "weir_heartbeat_round_trip_seconds", kind: .histogram, unit: "seconds", help: trips)
        )
        for (side, duration) in snapshot.heartbeatRoundTrips { histogram(Self.labels("side", side.label), duration) }
    }

    /// What could not be understood or done.
    mutating func writeTroubles(_ snapshot: MetricsSnapshot) {
        begin(MetricFamily(name: "weir_decode_errors", kind: .counter, help: "Bytes a decoder could not follow."))
        for row in snapshot.decodeErrors {
            var labels = LabelText(Self.labelForm)
            labels.add("protocol", row.connectionProtocol.label.description)
            labels.add("reason", row.reason)
            sample(labels.bytes, row.count)
        }
        begin(.bytes("weir_uninspected_bytes", help: "Bytes forwarded without being understood."))
        for (reason, count) in snapshot.uninspectedBytes { sample(Self.labels("reason", reason.label), count) }
        let partial = "Verdicts given before all that a rule asks for had arrived."
        begin(MetricFamily(name: "weir_verdicts_partial", kind: .counter, help: partial))
        for (reason, count) in snapshot.partialVerdicts { sample(Self.labels("reason", reason.label), count) }
        begin(MetricFamily(name: "weir_operations", kind: .gauge, help: "Operations told apart."))
        sample([], UInt64(clamping: snapshot.operationCount))
        let overflow = "Calls counted under _other because no further operation is told apart."
        begin(MetricFamily(name: "weir_operations_overflow", kind: .counter, help: overflow))
        sample([], snapshot.operationsOverflowed)
    }

    /// The workers and the build.
    mutating func writeWorkers(_ snapshot: MetricsSnapshot, _ context: MetricsPage.Context) {
        let table = "Calls in the call tables, those given up and still remembered counted."
        begin(MetricFamily(name: "weir_call_table_entries", kind: .gauge, help: table))
        sample([], snapshot.callTableEntries)
        let lag = "How much later than it could an event loop turn began."
        begin(MetricFamily(name: "weir_loop_lag_seconds", kind: .histogram, unit: "seconds", help: lag))
        histogram([], snapshot.loopLag)
        let stale = "Workers represented by an old snapshot because they did not answer in time."
        begin(MetricFamily(name: "weir_scrape_stale_workers", kind: .counter, help: stale))
        sample([], context.staleWorkers)
        var build = LabelText(Self.labelForm)
        build.add("version", context.build.version)
        build.add("revision", context.build.revision)
        begin(MetricFamily(name: "weir_build_info", kind: .gauge, help: "Which Weir this is; always 1."))
        sample(build.bytes, UInt64(1))
    }

    /// Workers that do not get on.
    mutating func writeStuckWorkers(_ count: Int) {
        let help = "Workers that have had events waiting and taken no turn for 30 s, throttled time not counted."
        begin(MetricFamily(name: "weir_workers_stuck", kind: .gauge, help: help))
        sample([], UInt64(clamping: count))
    }

    /// The processes that this one follows.
    mutating func writePredecessors(_ predecessors: (answering: Int, silent: Int)) {
        let help = "Processes that were taken over from and still run, by whether they answer this one."
        begin(MetricFamily(name: "weir_takeover_predecessors", kind: .gauge, help: help))
        sample(Self.labels("state", "answering"), UInt64(clamping: predecessors.answering))
        sample(Self.labels("state", "silent"), UInt64(clamping: predecessors.silent))
    }

    /// What happened to the process besides traffic.
    mutating func writeOperation(_ operation: ProcessOperation) {
        let reloads = "Times that the configuration file and the limits were read again."
        begin(MetricFamily(name: "weir_reloads", kind: .counter, help: reloads))
        for (result, count) in [("ok", operation.reloads), ("failed", operation.failedReloads)] {
            var labels = LabelText(Self.labelForm)
            labels.add("result", result)
            sample(labels.bytes, count)
        }
        let dropped = "Log lines, those of calls among them, that were not written because nobody took them."
        begin(MetricFamily(name: "weir_log_lines_dropped", kind: .counter, help: dropped))
        sample([], operation.logLinesDropped)
    }

    /// Connections of the admin API that were closed before their clients wanted it.
    mutating func writeAdminCuts(_ cuts: [(reason: String, count: UInt64)]) {
        let help = "Connections of the admin API closed before their clients wanted it."
        begin(MetricFamily(name: "weir_admin_connections_closed", kind: .counter, help: help))
        for cut in cuts {
            var labels = LabelText(Self.labelForm)
            labels.add("reason", cut.reason)
            sample(labels.bytes, cut.count)
        }
    }

    /// The process, under the names every Prometheus client uses.
    mutating func writeProcess(_ process: ProcessReadings) {
        let cpu = "User and system processor time in seconds."
        begin(MetricFamily(name: "process_cpu_seconds", kind: .counter, unit: "seconds", help: cpu))
        sample([], process.cpuSeconds)
        gauge("process_resident_memory_bytes", unit: "bytes", help: "Resident memory.", process.residentBytes)
        gauge("process_virtual_memory_bytes", unit: "bytes", help: "Virtual memory.", process.virtualBytes)
        gauge("process_open_fds", help: "Open file descriptors.", process.openFileDescriptors)
        gauge("process_max_fds", help: "The most file descriptors that may be open.", process.maxFileDescriptors)
        let start = "When the process was started, in seconds since 1970."
        begin(MetricFamily(name: "process_start_time_seconds", kind: .gauge, unit: "seconds", help: start))
        sample([], process.startTimeSeconds)
    }

    private mutating func gauge(_ name: String, unit: String = "", help: String, _ value: UInt64) {
        begin(MetricFamily(name: name, kind: .gauge, unit: unit, help: help))
        sample([], value)
    }

    private static func labels(_ row: MetricsSnapshot.Connections) -> [UInt8] {
        var labels = LabelText(Self.labelForm)
        labels.add("side", row.side.label.description)
        labels.add("protocol", row.connectionProtocol.label.description)
        return labels.bytes
    }
}
