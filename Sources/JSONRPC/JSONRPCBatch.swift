public import Calls
public import Wire

/// The memory of one batch: its members in order, as far as the bounds go, and their number by kind.
///
/// Once a member does not fit (``JSONLimits/maxBatchMembers``, ``JSONLimits/maxBatchTextBytes``), it and all further
/// ones are only counted. It allocates memory at the first member and keeps little of it when emptied.
public struct JSONRPCBatch: ~Copyable {
    /// A member.
    public struct Member: BitwiseCopyable, Equatable, Sendable {
        /// Its role.
        public var role: JSONRPCRole
        /// The form of its `method`.
        public var methodForm: JSONRPCFacts.Method
        /// The kind of its `id`.
        public var idKind: JSONKind
        /// For a response: the outcome of its call.
        public var outcome: Outcome
        /// For a response: its code for ``FinishedCall/code``.
        public var resultCode: Int32
        /// The place of its method in the texts; empty if none was kept.
        public var method: ByteRange
        /// The place of its id in the texts, as on the wire; empty if none was kept.
        public var id: ByteRange
        /// The place in the texts of the tool that it calls (`params.name` of `tools/call`); empty if there is none.
        public var tool: ByteRange
        /// Its id's key; see ``JSONRPCID/key(of:kind:)``.
        public var idKey: UInt64?
        /// Its size.
        public var byteCount: UInt64
    }

    /// The members remembered, in order.
    public private(set) var members: [Member] = []
    /// The number of remembered members that are calls.
    public private(set) var rememberedCallCount = 0
    /// The places in the texts of the methods that members have besides the last one.
    public private(set) var otherMethods: [ByteRange] = []
    /// The number of members, remembered or not.
    public private(set) var count = 0
    /// The number of requests.
    public private(set) var requestCount = 0
    /// The number of notifications.
    public private(set) var notificationCount = 0
    /// The number of responses.
    public private(set) var responseCount = 0
    @usableFromInline
    var texts = PrefixBuffer(limitBytes: JSONLimits.maxBatchTextBytes)

    /// An empty batch.
    public init() {}

    /// True if every member is remembered.
    public var isComplete: Bool { members.count == count }

    /// The number of members that are neither requests nor notifications nor responses.
    public var neitherCount: Int { count - requestCount - notificationCount - responseCount }

    /// The bytes that the members' ranges point into.
    public var text: RawSpan {
        @_lifetime(borrow self)
        get { texts.bytes }
    }

    /// Passes ``text`` to `body`: for batches in a class's property.
    ///
    /// - Parameter body: Must not change the batch meanwhile.
    /// - Returns: The result of `body`.
    @inlinable
    public func withText<Result>(_ body: (RawSpan) -> Result) -> Result { body(texts.bytes) }

    /// Forgets the members.
    public mutating func removeAll() {
        if members.capacity > 64 {
            members = []
        } else if !members.isEmpty {
            members.removeAll(keepingCapacity: true)
        }
        if !otherMethods.isEmpty { otherMethods = [] }
        texts.removeAll()
        count = 0
        rememberedCallCount = 0
        requestCount = 0
        notificationCount = 0
        responseCount = 0
    }

    /// Adds a member.
    ///
    /// - Parameter scanner: After ``JSONScanner/Progress/batchMember``.
    public mutating func append(_ scanner: borrowing JSONScanner) {
        let facts = scanner.facts
        let role = facts.role
        let isRemembered = isComplete && count < JSONLimits.maxBatchMembers
        count &+= 1
        switch role {
        case .request: requestCount &+= 1
        case .notification: notificationCount &+= 1
        case .response: responseCount &+= 1
        case .neither: break
        }
        guard isRemembered, let method = keep(scanner.method), let id = keep(scanner.idText) else { return }
        members.append(
            Member(
                role: role,
                methodForm: facts.method,
                idKind: facts.id,
                outcome: facts.outcome,
                resultCode: facts.resultCode,
                method: method,
                id: id,
                tool: scanner.method.equals("tools/call") ? keep(scanner.parameterName) ?? .empty : .empty,
                idKey: JSONRPCID.key(of: scanner),
                byteCount: facts.endOffset &- facts.startOffset
            )
        )
        guard role == .request || role == .notification else { return }
        rememberedCallCount &+= 1
        if facts.otherMethodCount > 0 { keepOthers(scanner) }
    }

    /// Keeps the methods that a member has besides the last one, as far as there is room for all in all.
    private mutating func keepOthers(_ scanner: borrowing JSONScanner) {
        var kept: [ByteRange] = []
        scanner.eachOtherMethod { method in
            if let range = keep(method) { kept.append(range) }
        }
        if otherMethods.count < JSONLimits.maxBatchMembers { otherMethods += kept }
    }

    private mutating func keep(_ piece: RawSpan) -> ByteRange? {
        guard piece.byteCount > 0 else { return .empty }
        let offset = texts.count
        guard texts.append(piece) else { return nil }
        return ByteRange(offset: offset, count: piece.byteCount)
    }
}
