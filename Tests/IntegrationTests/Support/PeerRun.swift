import Testing

/// How what is said reaches Weir.
enum Pieces: String, CaseIterable, CustomTestStringConvertible, Sendable {
    /// As it was written.
    case whole
    /// Cut at random, most pieces small.
    case small

    var testDescription: String { "in \(rawValue) pieces" }
}

/// A run of a client through Weir, and what it left behind.
struct PeerRun {
    let summary: PeerSummary
    let metrics: Metrics
    /// How often each method was called, by the server's own name of it.
    let served: [String: Int]

    /// Runs a client twice at the same time, each against a server of its own, once through Weir; both must say the
    /// same.
    init(
        _ peer: PeerProgram,
        _ arguments: [String],
        _ pieces: Pieces,
        lateReplies: ClosedRange<Int> = 0...0
    ) throws {
        let (near, far) = (try PeerServer(peer), try PeerServer(peer))
        let upstream = try Self.path(to: far.address, pieces)
        let weir = try WeirProcess(upstream: upstream?.address ?? far.address, "--workers", "2")
        let downstream = try Self.path(to: weir.address, pieces)
        defer {
            upstream?.stop()
            downstream?.stop()
        }
        let direct = try peer.client(near.address, arguments)
        let relayed = try PeerSummary.of(peer.client(downstream?.address ?? weir.address, arguments))
        #expect(try relayed.text == PeerSummary.of(direct).text)
        #expect(relayed.summary.problems == [])
        summary = relayed.summary
        metrics = try weir.settledMetrics()
        expectNoTrouble(metrics, lateReplies: lateReplies)
        served = try far.stop()
        #expect(differences(served, try near.stop()) == [])
        #expect(try weir.stop() == .exited(0))
    }

    /// Something that cuts what passes, if it is to be cut.
    private static func path(to address: Address, _ pieces: Pieces) throws -> Switchboard? {
        pieces == .whole ? nil : try Switchboard(cutting: true) { _ in address }
    }
}
