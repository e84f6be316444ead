import Calls
import Dubbo
import Inspection
import Telemetry
import Testing
import Wire

/// Who is told of what a bench's sessions see.
enum Watching: CaseIterable {
    /// Nobody: only the numbers are kept.
    case nothing
    /// Finished calls are told.
    case calls
    /// Messages too.
    case messages
}

/// An inspector with everything around it.
final class Bench {
    let registry: OperationRegistry
    let labels = SeriesLabels()
    let recorder: Recorder
    let inspector: Inspector
    let calls = CallRecord()
    let messages: MessageLines
    var plan = Plan()

    static let client = ObservedConnection(
        client: Endpoint(ipv4: 0x0a00_0001, port: 5000),
        server: Endpoint(ipv4: 0x0a00_0002, port: 20880)
    )

    init(_ watching: Watching = .messages, capacity: Int = 2000, limits: Inspector.Limits = Inspector.Limits()) {
        registry = OperationRegistry(capacity: capacity)
        recorder = Recorder(labels: labels)
        inspector = Inspector(registry: registry, recorder: recorder, limits: limits)
        messages = MessageLines(redacted: Redaction()) { _ in }
        watch(watching)
    }

    func watch(_ watching: Watching) {
        inspector.callObserver = watching == .nothing ? nil : calls
        inspector.messageObserver = watching == .messages ? messages : nil
    }

    func open(side: Side = .provider, isMidstream: Bool = false, isClientUnknown: Bool = false) -> Session {
        inspector.open(
            side: side,
            connection: Self.client,
            isMidstream: isMidstream,
            isClientUnknown: isClientUnknown
        )
    }

    /// Bytes from the client.
    func up(_ session: Session, _ bytes: [UInt8], now: UInt64 = 1000) { give(session, bytes, .toUpstream, now) }

    /// Bytes from the server.
    func down(_ session: Session, _ bytes: [UInt8], now: UInt64 = 2000) { give(session, bytes, .toDownstream, now) }

    func give(_ session: Session, _ bytes: [UInt8], _ direction: Direction, _ now: UInt64) {
        plan.removeAll()
        inspector.receive(session, bytes: bytes.span.bytes, going: direction, now: now, plan: &plan)
        #expect(
            plan.forwardsAll && plan.edits.isEmpty && plan.reply.isEmpty,
            "a session that only observes passes all on"
        )
    }

    /// The message lines, parsed no further.
    var lines: [String] {
        String(decoding: messages.json.bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    var snapshot: MetricsSnapshot {
        MetricsSnapshot(merging: [recorder.snapshot()], registry: registry, labels: labels)
    }

    /// `interface.method outcome code` and how many, sorted; on the given side.
    func counts(side: Side = .provider) -> [String] { snapshot.counts(side: side) }

    /// Bytes passed without being understood, by reason; those with none are left out.
    var uninspected: [String: UInt64] { snapshot.uninspected }

    var decodeErrors: [String: UInt64] { snapshot.decodeErrorCounts }
}

extension MetricsSnapshot {
    func counts(side: Side) -> [String] {
        operations.filter { $0.side == side }.flatMap { report in
            report.results.filter { $0.count > 0 }.map { result in
                let name = "\(report.operation.interface).\(report.operation.method)"
                return "\(name) \(result.outcome.label) \(result.code) \(result.count)"
            }
        }.sorted()
    }

    var uninspected: [String: UInt64] {
        Dictionary(
            uniqueKeysWithValues: uninspectedBytes.filter { $0.count > 0 }.map { ("\($0.reason.label)", $0.count) }
        )
    }

    var decodeErrorCounts: [String: UInt64] {
        Dictionary(uniqueKeysWithValues: decodeErrors.map { ($0.reason, $0.count) })
    }

    func events(_ side: Side) -> [PeerEvent: UInt64] {
        Dictionary(uniqueKeysWithValues: events.filter { $0.side == side && $0.count > 0 }.map { ($0.event, $0.count) })
    }

    func partial(_ reason: PartialVerdictReason) -> UInt64 {
        partialVerdicts.first { $0.reason == reason }?.count ?? 0
    }

    func report(_ method: String, side: Side = .provider) -> OperationReport? {
        operations.first { $0.operation.method == method && $0.side == side }
    }

    func connections(_ spoken: ConnectionProtocol, side: Side = .provider) -> Connections? {
        connections.first { $0.connectionProtocol == spoken && $0.side == side }
    }
}

/// Keeps every finished call.
final class CallRecord: CallObserver {
    private(set) var all: [ObservedCall] = []

    func finished(_ call: ObservedCall) { all.append(call) }

    /// The calls as text without their times.
    var texts: [String] {
        all.map { observed in
            let call = observed.call
            return "\(call.operation.rawValue) \(call.side.label) \(call.outcome.label) \(call.code) \(observed.id)"
                + " \(call.requestBytes)/\(call.responseBytes) \(observed.caller) \(observed.exception)"
                + " \(observed.trace?.traceID.text ?? "-") \(observed.connection.client)"
        }
    }
}
