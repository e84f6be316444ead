internal import Calls
internal import Export
internal import Inspection
internal import Logging
internal import ServiceLifecycle
internal import Settings
internal import Synchronization
internal import Telemetry

/// Spans of a running proxy: what its workers record, and the services that take them to a collector.
final class Tracing: Sendable {
    let counters = TracingCounters()
    /// How the application beside Weir names itself in the traffic.
    let ownName = LearnedName()
    let resource: ResourceDescription
    private let name: SpanServiceName
    private let sampler: Sampler
    private let options: TracingOptions
    private let exporter: ExportConfiguration
    private let conventions: SpanConventions
    private let settings: TracingSettings
    private let registry: OperationRegistry
    private let spanBuffers = Mutex<[SpanBuffer]>([])

    /// Tracing as the settings say; `nil` when they say that there is none.
    ///
    /// - Throws: The exit code, after what is wrong has been printed.
    init?(_ settings: WeirSettings, registry: OperationRegistry) throws {
        let tracing = settings.tracing
        guard let endpoint = tracing.endpoint else { return nil }
        exporter = try Self.exporter(tracing, endpoint: endpoint)
        self.settings = tracing
        self.registry = registry
        options = Self.options(settings)
        sampler = Sampler(options: Self.sampling(tracing), registry: registry)
        let names: SpanConventions.Names =
            switch tracing.names {
            case .classic: .classic
            case .current: .current
            case .both: .both
            }
        conventions = SpanConventions(names: names, attachments: tracing.attachments)
        resource = ResourceDescription(
            serviceName: tracing.serviceName,
            environment: ProcessFacts.variables,
            hostName: ProcessFacts.hostName,
            version: Build.version
        )
        // Only an application whose own calls pass here tells its name.
        let learned = settings.consumer.isEnabled ? ownName : nil
        name = SpanServiceName(given: resource.serviceName, learned: learned)
    }

    /// The tracer of one worker.
    ///
    /// - Parameter workers: The number of workers that share the queue.
    /// - Returns: A tracer whose spans the exporter finds.
    func makeTracer(workers: Int) -> Tracer {
        let spanBuffer = SpanBuffer(maxSpans: max(64, settings.queue / max(1, workers)), counters: counters)
        spanBuffers.withLock { $0.append(spanBuffer) }
        return Tracer(options: options, sampler: sampler, spanBuffer: spanBuffer, counters: counters, ownName: ownName)
    }

    /// The services that export the spans; made once all workers have started.
    ///
    /// - Throws: The exit code, after what is wrong has been printed.
    func services(_ logger: Logger) throws -> [any Service] {
        var services: [any Service] = [
            SpanExporter(
                configuration: exporter,
                conventions: conventions,
                resource: resource,
                spanBuffers: spanBuffers.withLock { $0 },
                registry: registry,
                counters: counters,
                logger: logger,
                serviceName: name
            )
        ]
        guard let url = settings.remoteSampling else { return services }
        do throws(ExportProblem) {
            let remote = try RemoteSampling(
                url: url,
                caFile: settings.caFile,
                interval: settings.remoteInterval,
                serviceName: { [self] in serviceName },
                logger: logger,
                deliver: { [sampler] in sampler.adopt($0) }
            )
            services.append(remote)
        } catch {
            Output.error("tracing.remote-sampling: \(error.description)")
            throw ExitStatus.usage
        }
        return services
    }

    /// The service's name as spans have it.
    var serviceName: String { name.text }

    private static func exporter(_ tracing: TracingSettings, endpoint: String) throws -> ExportConfiguration {
        do throws(ExportProblem) {
            var exporter = try ExportConfiguration(
                endpoint: endpoint,
                transport: tracing.transport == .grpc ? .grpc : .http,
                headers: tracing.headers.map { header in
                    let parts = header.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                    return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
                },
                caFile: tracing.caFile,
                compression: tracing.compression == .gzip ? .gzip : .none
            )
            exporter.timeout = tracing.timeout
            exporter.maxBatchSpans = tracing.batch
            exporter.maxQueuedSpans = tracing.queue
            return exporter
        } catch {
            Output.error("tracing: \(error.description)")
            throw ExitStatus.usage
        }
    }

    private static func sampling(_ settings: TracingSettings) -> SamplingOptions {
        var options = SamplingOptions()
        options.isParentBased = settings.parentBased
        options.ratio = settings.ratio
        options.ratePerOperation = settings.rate
        options.keepsErrors = settings.keepErrors
        options.keepSlowerNanoseconds = settings.keepSlower?.nanoseconds
        options.keepRate = Double(settings.keepRate)
        return options
    }

    private static func options(_ settings: WeirSettings) -> TracingOptions {
        var options = TracingOptions()
        options.formats = settings.tracing.formats.map(format)
        options.attachments = settings.tracing.attachments
        let propagations: [(CallProtocol, Propagation)] = [
            (.dubbo, settings.propagate.dubbo), (.triple, settings.propagate.triple),
            (.jsonrpc, settings.propagate.jsonrpc),
        ]
        options.injected = Set(propagations.filter { $0.1 == .inject }.map(\.0))
        options.injectedFormats = settings.propagate.formats.map(format)
        options.givesExemplars = settings.metrics.exemplars
        return options
    }

    private static func format(_ format: ContextFormat) -> TraceFormat {
        switch format {
        case .traceparent: .traceparent
        case .uberTraceID: .uberTraceID
        case .b3: .b3
        case .b3Multi: .b3Multi
        }
    }
}
