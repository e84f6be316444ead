import Calls
import Foundation
import Testing

@testable import Telemetry

/// What is declared in the catalogue, and what follows from it.
@Suite struct CatalogTests {
    private static let workers = MetricCatalog.workers.compactMap { metric -> WorkerSlots? in
        switch metric.storage {
        case .numbers(let slots), .histograms(let slots): slots
        case .control, .other: nil
        }
    }

    @Test("no name stands twice, and each has a help of one line") func names() {
        let names = MetricCatalog.all.map(\.family.name)
        #expect(Set(names).count == names.count && names.count > 100)
        for metric in MetricCatalog.all {
            let family = metric.family
            #expect(!family.help.isEmpty && !family.help.contains { "\\\"\n".contains($0) }, "\(family.name)")
            #expect(family.unit.isEmpty || family.name.hasSuffix("_" + family.unit), "\(family.name)")
            #expect(family.kind != .counter || !family.name.hasSuffix("_total"), "\(family.name)")
        }
    }

    @Test("every number and histogram of workers is one metric's, and none is nobody's") func slots() {
        let words = Self.workers.map(\.words).sorted { $0.lowerBound < $1.lowerBound }
        #expect(words.first?.lowerBound == SlotMark.start.word)
        for (one, next) in zip(words, words.dropFirst()) { #expect(one.upperBound == next.lowerBound) }
        #expect(words.last?.upperBound == MetricCatalog.end.word)
        let histograms = Self.workers.map(\.histograms).filter { !$0.isEmpty }
        #expect(histograms.flatMap { Array($0) }.sorted() == Array(0..<MetricCatalog.end.histogram))
        for slots in Self.workers {
            let count = slots.histograms.isEmpty ? slots.words.count : slots.histograms.count
            #expect(slots.labels.count == count && Set(slots.labels).count == count)
        }
    }

    private func checkLabels<Labels: MetricLabels>(_ type: Labels.Type) {
        #expect(Labels.count == Labels.allLabels.count, "\(type)")
        #expect(Labels.allLabels.map(\.index) == Array(0..<Labels.count), "\(type)")
        #expect(Labels.allLabels.allSatisfy { $0.texts.map(\.name.description) == Labels.descriptions.map(\.name) })
    }

    @Test("labels' values are numbered without a gap") func labels() {
        checkLabels(Side.self)
        checkLabels(ConnectionProtocol.self)
        checkLabels(TraceFormat.self)
        checkLabels(PeerEvent.self)
        checkLabels(UninspectedReason.self)
        checkLabels(ConnectionRejectReason.self)
        checkLabels(PartialVerdictReason.self)
        checkLabels(TracingCounters.Injection.self)
        checkLabels(SpanResult.self)
        checkLabels(ReloadResult.self)
        checkLabels(PredecessorState.self)
        checkLabels(NoLabels.self)
        checkLabels(LabelPair<Side, ConnectionProtocol>.self)
    }

    @Test("the page with everything on it has the catalogue's families in the catalogue's order") func page() {
        let page = ReadmeTests.page([.weir, .dubbo])
        let families = page.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.map { $0.dropFirst(7) }
        let expected = MetricCatalog.all.map { "\($0.family.sampleName) \($0.family.kind.rawValue)" }
        #expect(families.map(String.init) == expected)
    }

    @Test("a metric's numbers reach the page from every worker, whichever metric it is") func counting() {
        let bench = Bench(workers: 2)
        for (number, recorder) in bench.recorders.enumerated() {
            for slots in Self.workers where slots.histograms.isEmpty {
                for at in slots.words { recorder.add(UInt64(at * (number + 1)), at: at) }
            }
        }
        let found = samples(bench.page())
        var checked = 0
        for metric in MetricCatalog.workers {
            guard case .numbers(let slots) = metric.storage else { continue }
            for (values, at) in zip(slots.labels, slots.words) {
                let labels = zip(metric.labels, values).map { "\($0.name)=\"\($1)\"" }.joined(separator: ",")
                let name = metric.family.sampleName + (labels.isEmpty ? "" : "{\(labels)}")
                #expect(found[name] == Double(at * 3), "\(name)")
                checked += 1
            }
        }
        #expect(checked > 50)
    }

    // MARK: Reports

    private func report() -> MetricsReport {
        let bench = Bench()
        for _ in 0..<7 { bench.recorder.verdictPartial(.late) }
        for _ in 0..<3 { bench.recorder.connectionOpened(side: .provider) }
        bench.recorder.heartbeatRoundTrip(side: .consumer, nanoseconds: 5_000_000)
        var additions = MetricsAdditions()
        additions.set(MetricCatalog.spans, .failed, to: 9)
        additions.set(MetricCatalog.stuckWorkers, NoLabels(), to: 2)
        return MetricsReport(snapshot: bench.snapshot(), additions: additions)
    }

    private func further(_ report: MetricsReport) -> [UInt8] {
        var writer = ReportWriter()
        report.writeFurther(to: &writer, laidOut: [])
        return writer.bytes
    }

    @Test("what older reports have no place for is told by name, and comes back") func later() throws {
        var read = MetricsReport(snapshot: MetricsSnapshot())
        var reader = ReportReader(further(report())[...])
        try read.readFurther(&reader)
        #expect(reader.isAtEnd)
        #expect(read.snapshot[MetricCatalog.partialVerdicts, .late] == 7 && read.snapshot.verdictsPartial == 7)
        #expect(read.snapshot[MetricCatalog.openConnections, LabelPair(.provider, .silent)] == 3)
        #expect(read.snapshot[MetricCatalog.heartbeatRoundTrips, .consumer].count == 1)
        #expect(read.additions[MetricCatalog.spans, .failed] == 9)
        #expect(read.additions[MetricCatalog.spans, .exported] == 0)
        // A gauge of the control plane is of one process alone.
        #expect(read.additions[MetricCatalog.stuckWorkers, NoLabels()] == nil)
    }

    @Test("a report of the first layout is read, and written again to the byte") func golden() throws {
        var file = URL(fileURLWithPath: #filePath)
        for _ in 0..<2 { file.deleteLastPathComponent() }
        let bytes = Array(try Data(contentsOf: file.appendingPathComponent("Goldens/reports/first.report")))
        let registry = OperationRegistry(capacity: 100)
        let report = try MetricsReport(bytes: bytes[...], registry: registry, labels: SeriesLabels())
        #expect(report.staleWorkers == 4 && report.cpuNanoseconds == 99)
        let snapshot = report.snapshot
        #expect(snapshot.operations.count == 26 && snapshot.callTableEntries == 17)
        #expect(snapshot.partialVerdicts.map(\.count) == [1, 2, 3, 4, 5, 6])
        #expect(snapshot.uninspectedBytes.map(\.count) == [7, 8, 9, 10, 11, 12, 13])
        #expect(snapshot.refused.map(\.count) == [1, 2, 3, 4, 5, 6])
        #expect(snapshot.events.map(\.count) == [1, 2, 3, 4, 1, 2, 3, 4])
        #expect(snapshot.heartbeatRoundTrips.map(\.duration.sumNanoseconds) == [1_234_567, 1_234_567])
        #expect(snapshot.loopLag.sumNanoseconds == 5_000_000)
        #expect(report.additions.tracing?.injections == [0, 0, 9, 0])
        #expect(report.additions.operation == ProcessOperation(reloads: 3, failedReloads: 1, logLinesDropped: 5))
        #expect(report.bytes == bytes)
    }

    @Test("nothing is told by name while all numbers have their old places") func nothing() throws {
        var writer = ReportWriter()
        report().writeFurther(to: &writer)
        #expect(writer.bytes.isEmpty)
        // Those places hold as many numbers as the first release wrote.
        #expect((SpanResult.count, ReloadResult.count, NoLabels.count) == (3, 2, 1))
    }

    @Test("metrics and values that only the other release knows are passed over") func unknown() throws {
        func number(_ value: UInt64) -> [UInt8] {
            var writer = ReportWriter()
            writer.add(value)
            return writer.bytes
        }
        var writer = ReportWriter()
        let series: [(String, [String], [UInt8])] = [
            ("weir_of_tomorrow", ["x"], number(1)), ("weir_of_tomorrow", [], [1, 2, 3]),
            ("weir_verdicts_partial", ["of_tomorrow"], number(2)), ("weir_verdicts_partial", ["late"], number(5)),
            ("weir_calls", ["late"], number(5)), ("weir_workers_stuck", [], number(5)),
        ]
        writer.add(each: series) { writer, one in
            writer.add(one.0)
            writer.add(each: [one]) { writer, one in
                writer.add(each: one.1) { $0.add($1) }
                writer.add(one.2)
            }
        }
        let bytes = report().bytes + writer.bytes
        let read = try MetricsReport(
            bytes: bytes[...],
            registry: OperationRegistry(capacity: 10),
            labels: SeriesLabels()
        )
        #expect(read.snapshot.verdictsPartial == 12)
        #expect(read.additions.stuckWorkers == nil)
        for count in report().bytes.count + 1..<bytes.count {
            #expect(throws: ReportError.malformed) {
                try MetricsReport(
                    bytes: bytes[..<count],
                    registry: OperationRegistry(capacity: 10),
                    labels: SeriesLabels()
                )
            }
        }
    }

    @Test("whatever stands there, it is read or refused") func anything() throws {
        let bytes = further(report())
        for at in bytes.indices {
            for byte: UInt8 in [0, 1, 0x7f, 0x80, 0xff, bytes[at] &+ 1] {
                var changed = bytes
                changed[at] = byte
                var reader = ReportReader(changed[...])
                var read = MetricsReport(snapshot: MetricsSnapshot())
                do throws(ReportError) {
                    try read.readFurther(&reader)
                } catch {
                    #expect(error == .malformed)
                }
            }
        }
    }

    @Test("a process that is gone leaves its counters, and no gauge of any kind") func gone() {
        let gone = report().ofGoneProcess
        #expect(gone.snapshot.verdictsPartial == 7)
        #expect(gone.snapshot.connections.allSatisfy { $0.open == 0 } && gone.snapshot.callTableEntries == 0)
        #expect(gone.additions[MetricCatalog.spans, .failed] == 9 && gone.additions.stuckWorkers == nil)
    }
}
