internal import HTTP1
internal import JSONRPC
internal import Wire

/// The body of an HTTP request that may be JSON-RPC, read as it comes; a coded one is decoded.
///
/// Bounds: what ``RPCReader`` keeps of a message, and ``HTTP1Session/maxInflatedBytes`` of a coded body.
struct RPCBody {
    let rpc: RPCReader
    private let coding: ContentCoding
    private var inflater: Inflater?
    private var start = BodyStart()
    /// True if a body is not coded though its head says so: many servers do not look.
    private var isPlain = false
    /// True if the body, or its rest, cannot be read as it is coded.
    private(set) var isUnreadable = false

    /// A body that begins.
    ///
    /// - Parameters:
    ///   - coding: Its content coding.
    ///   - isExpected: True if its path is configured to be JSON-RPC's.
    ///   - pool: The readers of the worker; see ``giveBack(to:)``.
    init(_ coding: ContentCoding, isExpected: Bool, pool: ReaderPool) {
        rpc = pool.takeRPCReader()
        rpc.beginBody(at: isExpected ? .messages : .anywhere)
        self.coding = coding
        guard coding != .identity else { return }
        guard coding.isReadable else {
            isUnreadable = true
            return
        }
        let inflater = pool.takeInflater()
        self.inflater = inflater
        if (try? inflater.begin(coding, limitBytes: HTTP1Session.maxInflatedBytes)) == nil { isUnreadable = true }
    }

    /// Takes a piece.
    mutating func take(_ piece: RawSpan) {
        guard piece.byteCount > 0 else { return }
        if !start.isKnown { look(piece) }
        guard !isUnreadable else { return }
        guard let inflater, !isPlain else { return rpc.readBody(piece) }
        do throws(InflateError) {
            try inflater.read(piece) { rpc.readBody($0) }
        } catch {
            isUnreadable = true
        }
    }

    /// Some bodies are not what their head says, and some can be no JSON in UTF-8.
    private mutating func look(_ piece: RawSpan) {
        let isFirst = !start.isBegun
        switch start.look(piece) {
        case .nothing: break
        case .json:
            guard isFirst, coding != .identity else { return }
            isPlain = true
            isUnreadable = false
        case .wide: if inflater == nil || isPlain { isUnreadable = true }
        }
    }

    /// True if what has come shows that the body is no JSON-RPC, or that it cannot be read.
    var isNoCallSoFar: Bool { start.isBegun && (isUnreadable || rpc.isNoMessage) }

    /// The body has ended.
    ///
    /// - Returns: Its role; of one whose rest cannot be read, by what was read.
    func finish() -> JSONRPCRole {
        let role = rpc.finishBody()
        return role == .neither && isUnreadable && rpc.isCallSoFar ? .request : role
    }

    /// Gives the readers back; the body is used no more.
    func giveBack(to pool: ReaderPool) {
        pool.giveBack(rpc)
        if let inflater { pool.giveBack(inflater) }
    }
}
