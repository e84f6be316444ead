internal import Calls

/// The metrics of the whole process that are computed from workers and connections, and those of the system.
extension MetricCatalog {
    static let heartbeats = Metric(
        .counter,
        "weir_heartbeats",
        help: "Heartbeat requests.",
        labels: Side.descriptions
    ) { source in
        Side.allCases.map { MetricSample($0, .count(source.snapshot[events, LabelPair($0, .heartbeat)])) }
    }

    private static let consumerLabels = Side.descriptions + [MetricLabelDescription("consumer")]

    static let consumerConnections = Metric(
        .gauge,
        "weir_consumer_connections",
        help: "Open connections of a consumer.",
        labels: consumerLabels
    ) { source in
        source.balances?.map { MetricSample($0.labels, .count(UInt64($0.connections))) }
    }

    static let consumerConnectionImbalance = Metric(
        .gauge,
        "weir_consumer_connection_imbalance",
        help: "Calls on the busiest of a consumer's open connections over their mean; 1 is even.",
        labels: consumerLabels
    ) { source in
        source.balances?.compactMap { balance in
            balance.imbalance.map { MetricSample(balance.labels, .number($0)) }
        }
    }

    static let decodeErrors = Metric(
        .counter,
        "weir_decode_errors",
        help: "Bytes a decoder could not follow.",
        labels: ConnectionProtocol.descriptions + [MetricLabelDescription("reason")]
    ) { source in
        source.snapshot.decodeErrors.map { row in
            let spoken = row.connectionProtocol.label.description
            return MetricSample([("protocol", spoken), ("reason", row.reason)], .count(row.count))
        }
    }

    static let operationCount = Metric(.gauge, "weir_operations", help: "Operations told apart.") { source in
        MetricSample.one(UInt64(clamping: source.snapshot.operationCount))
    }

    static let operationsOverflow = Metric(
        .counter,
        "weir_operations_overflow",
        help: "Calls counted under _other because no further operation is told apart."
    ) { source in
        MetricSample.one(source.snapshot.operationsOverflowed)
    }

    // MARK: The process, under the names every Prometheus client uses

    static let system: [Metric] = [
        Metric(
            .counter,
            "process_cpu_seconds",
            unit: "seconds",
            help: "User and system processor time in seconds."
        ) { source in
            source.context.process.map { [MetricSample([], .number($0.cpuSeconds))] }
        },
        Metric(.gauge, "process_resident_memory_bytes", unit: "bytes", help: "Resident memory.") { source in
            source.context.process.map { MetricSample.one($0.residentBytes) }
        },
        Metric(.gauge, "process_virtual_memory_bytes", unit: "bytes", help: "Virtual memory.") { source in
            source.context.process.map { MetricSample.one($0.virtualBytes) }
        },
        Metric(.gauge, "process_open_fds", help: "Open file descriptors.") { source in
            source.context.process.map { MetricSample.one($0.openFileDescriptors) }
        },
        Metric(.gauge, "process_max_fds", help: "The most file descriptors that may be open.") { source in
            source.context.process.map { MetricSample.one($0.maxFileDescriptors) }
        },
        Metric(
            .gauge,
            "process_start_time_seconds",
            unit: "seconds",
            help: "When the process was started, in seconds since 1970."
        ) { source in
            source.context.process.map { [MetricSample([], .number($0.startTimeSeconds))] }
        },
    ]
}

extension ConsumerBalance {
    fileprivate var labels: [(name: StaticString, value: String)] {
        [("side", side.label.description), ("consumer", consumer)]
    }
}
