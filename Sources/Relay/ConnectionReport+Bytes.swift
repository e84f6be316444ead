internal import Calls
public import Inspection
internal import Policy
public import Telemetry
internal import Wire

/// Connections as one process tells another of them.
extension ConnectionReport {
    /// The bytes that ``all(in:)`` reads.
    ///
    /// - Parameters:
    ///   - reports: The connections.
    ///   - callers: The names of callers by number, which mean nothing to the other process.
    /// - Returns: The bytes.
    public static func bytes(of reports: [ConnectionReport], callers: [String]) -> [UInt8] {
        var writer = ReportWriter()
        writer.add(each: reports) { $0.add($1, callers: callers) }
        return ReportSeal.sealed(writer.bytes)
    }

    /// Reads connections of another process.
    ///
    /// - Parameter bytes: Anything.
    /// - Returns: The connections; their callers are told by name only.
    /// - Throws: ``ReportError``.
    public static func all(in bytes: [UInt8]) throws(ReportError) -> [ConnectionReport] {
        var reader = ReportReader(try ReportSeal.opened(bytes))
        let reports = try reader.each { reader throws(ReportError) in try ConnectionReport(&reader) }
        guard reader.isAtEnd else { throw .malformed }
        return reports
    }

    private init(_ reader: inout ReportReader) throws(ReportError) {
        let id = try reader.number()
        let (peer, upstream) = (try reader.endpoint(), try reader.endpoint())
        let side: Side = try reader.word()
        let connectionProtocol: ConnectionProtocol = try reader.word()
        let age = try reader.number()
        let inFlight = Int(truncatingIfNeeded: try reader.signed())
        let ends = Ends(
            id: id,
            peer: peer,
            upstream: upstream,
            bytesToUpstream: try reader.number(),
            bytesToDownstream: try reader.number(),
            isConnecting: try reader.number() != 0
        )
        self.init(
            ends,
            side: side,
            connectionProtocol: connectionProtocol,
            ageNanoseconds: age,
            inFlight: inFlight,
            finishedCalls: try reader.number(),
            caller: CallerRegistry.unknown,
            callerName: try reader.text(),
            drainSignals: DrainSignals(rawValue: UInt8(truncatingIfNeeded: try reader.number())),
            lateCalls: try reader.number(),
            answersEvents: try reader.number() != 0,
            minuteRate: Double(try reader.number()) / 1000,
            currentRate: Double(try reader.number()) / 1000
        )
    }
}

extension ReportWriter {
    fileprivate mutating func add(_ report: ConnectionReport, callers: [String]) {
        let name = report.callerName
        add(report.id)
        add(report.peer)
        add(report.upstream)
        add(word: report.side)
        add(word: report.connectionProtocol)
        add(report.ageNanoseconds)
        add(signed: Int64(report.inFlight))
        add(report.bytesToUpstream)
        add(report.bytesToDownstream)
        add(report.isConnecting ? 1 : 0)
        add(report.finishedCalls)
        add(name.isEmpty ? CallerRegistry.name(of: report.caller, in: callers) : name)
        add(UInt64(report.drainSignals.rawValue))
        add(report.lateCalls)
        add(report.answersEvents ? 1 : 0)
        for rate in [report.minuteRate, report.currentRate] { add(UInt64(exactly: (rate * 1000).rounded()) ?? 0) }
    }

    private mutating func add(_ endpoint: Endpoint) {
        add(endpoint.isIPv6 ? 1 : 0)
        add(endpoint.high)
        add(endpoint.low)
        add(UInt64(endpoint.port))
    }
}

extension ReportReader {
    fileprivate mutating func endpoint() throws(ReportError) -> Endpoint {
        let isIPv6 = try number() != 0
        let (high, low) = (try number(), try number())
        guard let port = UInt16(exactly: try number()) else { throw .malformed }
        if isIPv6 { return Endpoint(high: high, low: low, port: port) }
        guard let address = UInt32(exactly: low) else { throw .malformed }
        return Endpoint(ipv4: address, port: port)
    }
}
