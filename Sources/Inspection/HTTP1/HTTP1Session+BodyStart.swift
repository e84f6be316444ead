internal import Calls
internal import HTTP1
internal import JSONRPC
internal import Policy
internal import Wire

/// The first two bytes of a body: some bodies are not what their head says, and some can be no JSON in UTF-8.
struct BodyStart {
    /// The conclusion from them.
    enum Sight {
        /// Nothing yet, or nothing new.
        case nothing
        /// JSON begins so; what is coded hardly ever does.
        case json
        /// A character has two bytes or four: UTF-16 or UTF-32, which some JSON parsers detect.
        case wide
    }

    private var count: UInt8 = 0

    /// True if any was looked at.
    var isBegun: Bool { count > 0 }

    /// True if both were.
    var isKnown: Bool { count == 2 }

    /// Looks at what has come of them.
    ///
    /// - Parameter piece: The next bytes of the body, at least one.
    /// - Returns: The conclusion from them.
    mutating func look(_ piece: RawSpan) -> Sight {
        var sight = Sight.nothing
        var at = 0
        if count == 0 {
            let first = piece.byte(at: 0)
            // NUL, or the first byte of a byte order mark.
            if first == 0 || first >= 0xfe {
                count = 2
                return .wide
            }
            if first == 0x7b || first == 0x5b || first == 0xef || ProtocolDetector.isBlank(first) { sight = .json }
            count = 1
            at = 1
        }
        guard at < piece.byteCount else { return sight }
        count = 2
        return piece.byte(at: at) == 0 ? .wide : sight
    }
}

/// Bodies that are not what they seem, and those that nothing is to be asked about.
extension HTTP1Session {
    /// A body begins, or goes on after its first byte.
    func lookAtStart(_ piece: RawSpan, _ context: ConnectionContext) {
        switch requests.bodyStart.look(piece) {
        case .nothing: break
        case .json:
            // Many servers do not look how a request says that it is coded.
            guard requests.coding != .identity else { return }
            if let inflater = requests.inflater { context.pool.giveBack(inflater) }
            requests.inflater = nil
            requests.isUnreadable = false
        case .wide:
            if requests.inflater == nil { becomeUnreadable(context) }
        }
    }

    /// True if the body cannot be read as it is coded, or was read without its coding and is no JSON.
    var isBodyUnreadable: Bool {
        if requests.isUnreadable { return true }
        return requests.coding != .identity && requests.inflater == nil && requests.rpc?.hasFailed == true
    }

    /// True if what has come of the body shows that it is no JSON-RPC, or that it cannot be read.
    var isNoCallSoFar: Bool {
        guard current.kind == .other, requests.bodyStart.isBegun, let rpc = requests.rpc else { return false }
        return isBodyUnreadable || rpc.isNoMessage
    }

    /// True if a request whose head has ended waits for its body, in which the method is.
    ///
    /// It does only where something may be done with a JSON-RPC call.
    func waitsForBody(_ context: ConnectionContext) -> Bool {
        guard context.isGoverned else { return false }
        let inspector = context.inspector
        return inspector.tracker.tracer?.isInjecting == true
            || inspector.pipeline.mayRefuse(.jsonrpc, side: context.session.side(of: requestDirection))
    }
}
