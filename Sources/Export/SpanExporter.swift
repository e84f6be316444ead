public import Calls
public import Logging
internal import NIOCore
internal import NIOPosix
public import ServiceLifecycle
public import Telemetry

/// A service that takes the workers' spans and sends them to an OpenTelemetry collector.
///
/// It has one thread of its own for its connections and never makes a worker wait. Spans wait in a bounded queue whose
/// oldest are dropped; a batch is sent again within bounds, and counted as failed afterwards. Every span that a buffer
/// took is counted once in the end: as exported, dropped or failed. A batch whose answer was lost on the way is sent
/// again, so that a collector can see a span twice.
///
/// Stopped gracefully it takes the workers' last spans and sends as many as possible within
/// ``ExportConfiguration/flushTimeout``; workers have to stop before it.
public struct SpanExporter: Service {
    let configuration: ExportConfiguration
    let conventions: SpanConventions
    let resource: ResourceDescription
    let registry: OperationRegistry
    let counters: TracingCounters
    let log: ErrorLog
    let serviceName: SpanServiceName
    private let spanBuffers: [SpanBuffer]
    private let logger: Logger

    /// An exporter that begins once it is run.
    ///
    /// - Parameters:
    ///   - configuration: The destination of the spans.
    ///   - conventions: The names of their attributes.
    ///   - resource: Their resource.
    ///   - spanBuffers: The workers' span buffers.
    ///   - registry: The registry of their operations.
    ///   - counters: The counters of their results.
    ///   - logger: The logger for errors, at most one line a minute of each kind.
    ///   - serviceName: The service's name; the first spans wait until it is settled.
    public init(
        configuration: ExportConfiguration,
        conventions: SpanConventions = SpanConventions(),
        resource: ResourceDescription,
        spanBuffers: [SpanBuffer],
        registry: OperationRegistry,
        counters: TracingCounters,
        logger: Logger,
        serviceName: SpanServiceName? = nil
    ) {
        self.configuration = configuration
        self.conventions = conventions
        self.resource = resource
        self.spanBuffers = spanBuffers
        self.registry = registry
        self.counters = counters
        self.logger = logger
        self.serviceName = serviceName ?? SpanServiceName(given: resource.serviceName)
        log = ErrorLog(logger)
    }

    /// Exports until it is stopped gracefully or cancelled.
    ///
    /// - Throws: ``ExportProblem`` when the file with certificates can no longer be read.
    public func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let transport: any SpanTransport =
            switch configuration.transport {
            case .http: try HTTPTransport(configuration, group: group)
            case .grpc: try GRPCTransport(configuration, group: group)
            }
        logger.info(
            "exporting spans",
            metadata: ["endpoint": "\(configuration.endpoint)", "transport": "\(configuration.transport.rawValue)"]
        )
        await export(through: transport)
        // It fails only when it was shut down before.
        try? await group.shutdownGracefully()
    }

    /// Exports through a transport until this task is stopped or cancelled; ends the transport.
    func export(through transport: any SpanTransport) async {
        let queue = SpanQueue(maxSpans: configuration.maxQueuedSpans, maxChunkSpans: configuration.maxBatchSpans)
        let (arrivals, arrival) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let closing = SpanDelivery.Closing()
        await withTaskGroup(of: Void.self) { connections in
            connections.addTask { await transport.run() }
            await withTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    var delivery = SpanDelivery(self, through: transport, isClosing: closing)
                    for await _ in arrivals { await delivery.drain(queue) }
                    await delivery.drain(queue)
                }
                await poll(queue, arrival)
                closing.begin()
                arrival.finish()
                tasks.addTask { [limit = configuration.flushTimeout] in try? await Task.sleep(for: limit) }
                // Whichever is first, the last batch or the end of the time.
                await tasks.next()
                tasks.cancelAll()
            }
            await transport.stop()
            connections.cancelAll()
        }
        giveUpRest(queue)
    }

    /// Moves the workers' spans into the queue until this task is stopped or cancelled, and once more then.
    private func poll(_ queue: SpanQueue, _ arrival: AsyncStream<Void>.Continuation) async {
        var batch = SpanBatch()
        while !Task.isCancelled, !Task.isShuttingDownGracefully {
            if collect(queue, &batch), isNamed(queue) { arrival.yield() }
            try? await cancelWhenGracefulShutdown { [interval = configuration.pollInterval] in
                try await Task.sleep(for: interval)
            }
        }
        _ = serviceName.settle(now: .now, isLast: true)
        if collect(queue, &batch) { arrival.yield() }
    }

    /// True if the service's name for the waiting spans is known.
    private func isNamed(_ queue: SpanQueue) -> Bool {
        serviceName.settle(now: .now, isLast: queue.count > configuration.maxQueuedSpans / 2)
    }

    private func collect(_ queue: SpanQueue, _ batch: inout SpanBatch) -> Bool {
        for spanBuffer in spanBuffers {
            spanBuffer.exchange(&batch)
            if !batch.spans.isEmpty {
                let dropped = queue.append(batch)
                if dropped > 0 {
                    counters.dropped(dropped)
                    log.report(.overflow, spans: dropped)
                }
            }
            batch.removeAll()
        }
        return queue.count > 0
    }

    /// Counts what is left when the time is over.
    private func giveUpRest(_ queue: SpanQueue) {
        var batch = SpanBatch()
        _ = collect(queue, &batch)
        let left = queue.removeAll()
        guard left > 0 else { return }
        counters.failed(left)
        log.report(.givenUp, spans: left, reason: "the process stops")
    }
}
