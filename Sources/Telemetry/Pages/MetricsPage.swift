internal import Calls

/// The renderer of the metrics page; README lists its content.
///
/// The label texts of an operation never change, so they are kept between scrapes by its id: a page of 2,000
/// operations is then mostly copying. One page serves one registry.
public struct MetricsPage: Sendable {
    /// The content of the page that workers do not count.
    public struct Context: Sendable {
        /// The build of this Weir.
        public var build: BuildInfo
        /// The readings of the operating system, `nil` where it gives none.
        public var process: ProcessReadings?
        /// The number of times that a worker was represented by an old snapshot, since the start.
        public var staleWorkers: UInt64
        /// The time on the workers' clock; numbers of the last seconds and minutes are left out when it is not known.
        public var nowNanoseconds: UInt64?
        /// The difference between the workers' clock and the time since 1970; without it exemplars have no time.
        public var wallClockOffsetNanoseconds: Int64?
        /// Further metrics.
        public var additions: MetricsAdditions

        /// A context with these values.
        ///
        /// - Parameters:
        ///   - build: The build of this Weir.
        ///   - process: The readings of the operating system.
        ///   - staleWorkers: The number of times that a worker was represented by an old snapshot.
        ///   - nowNanoseconds: The time on the workers' clock.
        ///   - wallClockOffsetNanoseconds: The difference between the workers' clock and the time since 1970.
        ///   - additions: Further metrics.
        public init(
            build: BuildInfo,
            process: ProcessReadings?,
            staleWorkers: UInt64,
            nowNanoseconds: UInt64? = nil,
            wallClockOffsetNanoseconds: Int64? = nil,
            additions: MetricsAdditions = MetricsAdditions()
        ) {
            self.build = build
            self.process = process
            self.staleWorkers = staleWorkers
            self.nowNanoseconds = nowNanoseconds
            self.wallClockOffsetNanoseconds = wallClockOffsetNanoseconds
            self.additions = additions
        }
    }

    /// The texts kept for pages of one form.
    private struct Kept {
        var labels: OperationLabels
        var dubbo: DubboLabels

        init(_ form: LabelForm) {
            labels = OperationLabels(form: form)
            dubbo = DubboLabels(form: form)
        }
    }

    private var text = Kept(.text)
    private var protobuf = Kept(.protobuf)
    private var services = DubboServices()
    private var windows: CallWindows

    /// A page that has kept nothing yet.
    ///
    /// - Parameter startNanoseconds: The start of counting on the workers' clock; without it the numbers of the last
    ///   two minutes are known only if the page was rendered that long ago.
    public init(startNanoseconds: UInt64? = nil) { windows = CallWindows(start: startNanoseconds) }

    /// Renders the page as a whole.
    ///
    /// - Parameters:
    ///   - snapshot: The numbers.
    ///   - context: The rest.
    ///   - format: The form wanted.
    /// - Returns: UTF-8 text, or protobuf messages.
    public mutating func render(_ snapshot: MetricsSnapshot, _ context: Context, format: ExpositionFormat) -> [UInt8] {
        var page: [UInt8] = []
        render(snapshot, context, format: format) { page += $0 }
        return page
    }

    /// Renders the page piece by piece, so that it is never in memory as a whole.
    ///
    /// - Parameters:
    ///   - snapshot: The numbers.
    ///   - context: The rest.
    ///   - format: The form wanted.
    ///   - sink: The receiver of UTF-8 text, or protobuf messages, in pieces: about 64 KiB of text, or one family of
    ///     protobuf.
    public mutating func render(
        _ snapshot: MetricsSnapshot,
        _ context: Context,
        format: ExpositionFormat,
        into sink: @escaping ([UInt8]) -> Void
    ) {
        var totals: [DubboTotals?] = []
        var changes: CallWindows.Changes?
        if context.additions.names.contains(.dubbo) {
            totals = services.totals(snapshot.operations)
            changes = context.nowNanoseconds.map { windows.observe(totals, at: $0) }
        }
        let dubbo = DubboNumbers(keys: services.keys, totals: totals, changes: changes)
        let offset = context.wallClockOffsetNanoseconds
        switch format {
        case .text, .openMetrics:
            let isOpenMetrics = format == .openMetrics
            var page = ExpositionText(isOpenMetrics: isOpenMetrics, wallClockOffset: offset, sink: sink)
            Self.write(snapshot, context: context, dubbo: dubbo, kept: &text, to: &page)
        case .protobuf:
            var page = ExpositionProtobuf(wallClockOffset: offset, sink: sink)
            Self.write(snapshot, context: context, dubbo: dubbo, kept: &protobuf, to: &page)
        }
    }

    private static func write(
        _ snapshot: MetricsSnapshot,
        context: Context,
        dubbo: DubboNumbers,
        kept: inout Kept,
        to page: inout some ExpositionWriter
    ) {
        let additions = context.additions
        let source = MetricSource(snapshot, context)
        if additions.names.contains(.weir) {
            page.writeOperations(snapshot.operations, callers: additions.callers, &kept.labels)
            page.writeDurations(snapshot.operations, &kept.labels)
            page.writeStreams(snapshot.operations, &kept.labels)
            for metric in MetricCatalog.workers { page.write(metric, source) }
            for metric in MetricCatalog.control { page.write(metric, source) }
        }
        if additions.names.contains(.dubbo) { page.writeDubbo(dubbo, identity: additions.dubbo, kept: &kept.dubbo) }
        for metric in MetricCatalog.system { page.write(metric, source) }
        page.end()
    }
}
