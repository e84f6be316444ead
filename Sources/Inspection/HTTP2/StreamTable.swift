internal import Calls
internal import HTTP2
internal import Triple
internal import Wire

/// A stream whose request was seen and which has not ended in both directions.
struct TripleStream: BitwiseCopyable {
    /// Facts about a stream.
    struct Marks: OptionSet, BitwiseCopyable {
        let rawValue: UInt16
        /// It is a call of Triple or gRPC.
        static let isCall = Marks(rawValue: 1)
        /// Its call is in the call table, or was.
        static let isCounted = Marks(rawValue: 2)
        /// Its request half has ended.
        static let requestEnded = Marks(rawValue: 4)
        /// Its reply's half has ended.
        static let replyEnded = Marks(rawValue: 8)
        /// Its reply has begun.
        static let replyBegun = Marks(rawValue: 16)
        /// Its reply ended with its first block.
        static let isTrailersOnly = Marks(rawValue: 32)
        /// The call's method is named in its first message.
        static let isGeneric = Marks(rawValue: 64)
        /// The default deadline does not hold: it streams.
        static let streams = Marks(rawValue: 128)
        /// The caller said how long it waits.
        static let hasDeadline = Marks(rawValue: 256)
        /// Bytes of it were not seen.
        static let isDamaged = Marks(rawValue: 512)
        /// It stays open as long as the peers are connected, or is a tool's.
        static let isStanding = Marks(rawValue: 1024)
        /// Its caller has reset it; the trailers of its reply may still come.
        static let isGivenUp = Marks(rawValue: 2048)
        /// The second message of its request was empty.
        static let endsEmpty = Marks(rawValue: 4096)
        /// It may be JSON-RPC, or is.
        static let isRPC = Marks(rawValue: 8192)
    }

    /// The stream's id; 0 marks a free slot.
    var id: UInt32 = 0
    var marks: Marks = []
    var form = TripleForm.grpc
    /// When the first byte of the request was seen.
    var start: UInt64 = 0
    /// When the call is given up.
    var deadline: UInt64 = 0
    var requestBytes: UInt64 = 0
    var replyBytes: UInt64 = 0
    /// Its call's place in the call table, which may have become another's.
    var call = CallTable.none
    var reply = TripleResponseHead()
    var requests = GRPCMessageReader()
    var replies = GRPCMessageReader()

    /// True if nothing more is to come of it.
    var isOver: Bool {
        marks.contains(.replyEnded) && !marks.isDisjoint(with: [.requestEnded, .isGivenUp])
    }

    /// True if either way carried more than one message.
    var hasMoreMessages: Bool { requests.messageCount > 1 || replies.messageCount > 1 }

    /// True if the request was one message or, as dubbo-python ends it, one and an empty one, and the reply one.
    var isUnary: Bool {
        let asked = requests.messageCount
        return replies.messageCount <= 1 && (asked <= 1 || (asked == 2 && marks.contains(.endsEmpty)))
    }

    /// The numbers of its messages; `nil` when neither way carried more than one.
    var messages: StreamMessages? {
        guard hasMoreMessages else { return nil }
        return StreamMessages(
            requests: UInt64(requests.messageCount),
            responses: UInt64(replies.messageCount),
            isStream: !(isUnary && marks.contains(.requestEnded))
        )
    }
}

/// The open streams of a connection, found by id: open addressing over ids, which rise, so that neighbours lie side by
/// side; what is removed leaves no gap.
struct StreamTable: ~Copyable {
    /// The most streams followed at once.
    static let maxCount = 65_536
    private static let smallest = 4

    private var slots = FlatTable(repeating: TripleStream(), count: StreamTable.smallest)
    private(set) var count = 0
    /// The highest stream that the client has opened.
    private(set) var highestID: UInt32 = 0
    /// True if a stream was passed on that the table had no room for.
    private(set) var isIncomplete = false

    /// How many places there are; each is free when its stream's id is 0.
    var placeCount: Int { slots.count }

    /// True if any stream is open but those that stay so as long as the peers are connected, and those that their
    /// callers have given up.
    var hasRequests: Bool {
        guard count > 0 else { return false }
        for place in 0..<slots.count where slots[place].id != 0 {
            if slots[place].marks.isDisjoint(with: [.isStanding, .isGivenUp]) { return true }
        }
        return false
    }

    @inline(__always)
    private func home(_ id: UInt32) -> Int { Int(id >> 1) & (slots.count &- 1) }

    /// The place of a stream, −1 if it is not open.
    @inline(__always)
    func place(of id: UInt32) -> Int {
        var place = home(id)
        while slots[place].id != 0 {
            if slots[place].id == id { return place }
            place = (place &+ 1) & (slots.count &- 1)
        }
        return -1
    }

    /// The client opens a stream, which may not be followed.
    mutating func noteOpened(_ id: UInt32) { highestID = max(highestID, id) }

    /// A stream was passed on that the table had no room for, so that it cannot be told from a refused one.
    mutating func noteIncomplete() { isIncomplete = true }

    subscript(place: Int) -> TripleStream {
        @inline(__always)
        get { slots[place] }
        @inline(__always)
        _modify { yield &slots[place] }  // swift-format-ignore
    }

    /// Opens a stream and says where it stands; −1 when there are too many.
    mutating func add(_ stream: TripleStream) -> Int {
        guard count < Self.maxCount else { return -1 }
        if (count + 1) * 2 > slots.count { resize(to: slots.count * 2) }
        count += 1
        return insert(stream)
    }

    private mutating func insert(_ stream: TripleStream) -> Int {
        var place = home(stream.id)
        while slots[place].id != 0 { place = (place + 1) & (slots.count - 1) }
        slots[place] = stream
        return place
    }

    /// Takes a stream out; places of others may change.
    mutating func remove(at place: Int) {
        var hole = place
        var next = (place + 1) & (slots.count - 1)
        // What follows in the same run moves up, unless it would come to stand before its home.
        while slots[next].id != 0 {
            let distance = (next - home(slots[next].id)) & (slots.count - 1)
            if distance >= (next - hole) & (slots.count - 1) {
                slots[hole] = slots[next]
                hole = next
            }
            next = (next + 1) & (slots.count - 1)
        }
        slots[hole] = TripleStream()
        count -= 1
        // A connection that has become quiet gives its memory back.
        if count == 0, slots.count > 16 { resize(to: Self.smallest) }
    }

    private mutating func resize(to size: Int) {
        var other = FlatTable(repeating: TripleStream(), count: size)
        swap(&other, &slots)
        for place in 0..<other.count where other[place].id != 0 { _ = insert(other[place]) }
    }
}
