internal import Calls

/// Renders the metrics page; README lists what is on it.
///
/// The label texts of an operation never change, so they are kept between scrapes by its id: a page of 2,000
/// operations is then mostly copying. One page serves one registry.
public struct MetricsPage: Sendable {
    /// Everything on the page that workers do not count.
    public struct Context: Sendable {
        /// Which Weir this is.
        public var build: BuildInfo
        /// What the operating system says, `nil` where it says nothing.
        public var process: ProcessReadings?
        /// How often a worker was represented by an old snapshot, since the start.
        public var staleWorkers: UInt64
        /// The time on the workers' clock; numbers of the last seconds and minutes are left out when it is not known.
        public var nowNanoseconds: UInt64?
        /// What makes a time on the workers' clock one since 1970; exemplars have no time when it is not known.
        public var wallClockOffsetNanoseconds: Int64?
        /// What else there is.
        public var additions: MetricsAdditions

        /// A context of those values.
        ///
        /// - Parameters:
        ///   - build: Which Weir this is.
        ///   - process: What the operating system says.
        ///   - staleWorkers: How often a worker was represented by an old snapshot.
        ///   - nowNanoseconds: The time on the workers' clock.
        ///   - wallClockOffsetNanoseconds: What makes a time on the workers' clock one since 1970.
        ///   - additions: What else there is.
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

    /// What is kept for pages of one form.
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
    /// - Parameter startNanoseconds: When counting began, on the workers' clock; without it the numbers of the last
    ///   two minutes are known only when the page was rendered as long ago.
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
    ///   - sink: Gets UTF-8 text, or protobuf messages, in pieces: of text some 64 KiB, of protobuf a family's.
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
            Self.write(snapshot, context, dubbo, &text, to: &page)
        case .protobuf:
            var page = ExpositionProtobuf(wallClockOffset: offset, sink: sink)
            Self.write(snapshot, context, dubbo, &protobuf, to: &page)
        }
    }

    private static func write(
        _ snapshot: MetricsSnapshot,
        _ context: Context,
        _ dubbo: DubboNumbers,
        _ kept: inout Kept,
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
        if additions.names.contains(.dubbo) { page.writeDubbo(dubbo, additions.dubbo, &kept.dubbo) }
        for metric in MetricCatalog.system { page.write(metric, source) }
        page.end()
    }
}
