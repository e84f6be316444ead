public import Calls
public import Wire

/// What is remembered of one batch: its members one by one, as far as the bounds go, and how many of each kind.
///
/// Once a member does not fit (``JSONLimits/maxBatchMembers``, ``JSONLimits/maxBatchTextBytes``) this and all further
/// ones are counted only. It takes memory on the first member and keeps little of it when it is emptied.
public struct JSONRPCBatch: ~Copyable {
    /// A member.
    public struct Member: BitwiseCopyable, Equatable, Sendable {
        /// What it means.
        public var role: JSONRPCRole
        /// What its `method` is.
        public var methodForm: JSONRPCFacts.Method
        /// What its `id` is.
        public var idKind: JSONKind
        /// For a response: what became of its call.
        public var outcome: Outcome
        /// For a response: its code for ``FinishedCall/code``.
        public var resultCode: Int32
        /// Where its method is in the texts; empty when it has none that was kept.
        public var method: ByteRange
        /// Where its id is in the texts, as on the wire; empty when it has none that was kept.
        public var id: ByteRange
        /// Where the tool that it calls is in the texts (`params.name` of `tools/call`); empty for none.
        public var tool: ByteRange
        /// Its id's key; see ``JSONRPCID/key(of:kind:)``.
        public var idKey: UInt64?
        /// How many bytes it has.
        public var byteCount: UInt64
    }

    /// The members remembered, in order.
    public private(set) var members: [Member] = []
    /// How many of the members that are remembered are calls.
    public private(set) var rememberedCallCount = 0
    /// Where the methods are in the texts that members have besides the last one.
    public private(set) var otherMethods: [ByteRange] = []
    /// How many members there are, remembered or not.
    public private(set) var count = 0
    /// How many of them are requests.
    public private(set) var requestCount = 0
    /// How many of them are notifications.
    public private(set) var notificationCount = 0
    /// How many of them are responses.
    public private(set) var responseCount = 0
    @usableFromInline
    var texts = PrefixBuffer(limitBytes: JSONLimits.maxBatchTextBytes)

    /// An empty batch.
    public init() {}

    /// Whether every member is remembered.
    public var isComplete: Bool { members.count == count }

    /// How many of the members are neither requests nor notifications nor responses.
    public var neitherCount: Int { count - requestCount - notificationCount - responseCount }

    /// The bytes that the members' ranges point into.
    public var text: RawSpan {
        @_lifetime(borrow self)
        get { texts.bytes }
    }

    /// Gives ``text`` to `body`: for batches that are a class's property.
    ///
    /// - Parameter body: Must not change the batch meanwhile.
    /// - Returns: What `body` returns.
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

    /// Takes a member.
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
