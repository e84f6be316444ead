/// The reasons for which a packet cannot be read.
public enum MalformedReason: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// The capture's link type is not supported.
    case unknownLinkType
    /// The packet ends inside its link-layer header, tag or tunnel header.
    case linkHeader
    /// The version field of an IP header is neither 4 nor 6, or not the announced one.
    case ipVersion
    /// An IP header or extension header is too short, or longer than its packet.
    case ipHeader
    /// A TCP header is too short, or longer than its packet.
    case tcpHeader
    /// More tags, labels and tunnels than any real network has.
    case nesting

    /// The word for it in reports.
    public var label: StaticString {
        switch self {
        case .unknownLinkType: "unknown_link_type"
        case .linkHeader: "link_header"
        case .ipVersion: "ip_version"
        case .ipHeader: "ip_header"
        case .tcpHeader: "tcp_header"
        case .nesting: "nesting"
        }
    }
}

/// The formats that are recognised and not read.
public enum UnsupportedKind: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// Tunnels of mobile networks, in UDP to port 2152.
    case gtp
    /// Messages of Linux' netlink sockets, which carry no network traffic.
    case netlink

    /// The name in reports.
    public var label: StaticString {
        switch self {
        case .gtp: "GTP-U"
        case .netlink: "Linux netlink"
        }
    }
}

/// The counters of reading a capture.
public struct CaptureCounters: Sendable {
    /// All packets seen.
    public internal(set) var packets: UInt64 = 0
    /// Captured bytes of them, headers included.
    public internal(set) var bytes: UInt64 = 0
    /// Packets that are not IP.
    public internal(set) var nonIP: UInt64 = 0
    /// IP packets that are not TCP.
    public internal(set) var nonTCP: UInt64 = 0
    /// IP fragments; they are not put together.
    public internal(set) var fragments: UInt64 = 0
    /// Packets that the snap length cut.
    public internal(set) var truncated: UInt64 = 0
    /// TCP segments.
    public internal(set) var segments: UInt64 = 0
    /// Payload bytes given to the consumer.
    public internal(set) var deliveredBytes: UInt64 = 0
    /// Segments that brought nothing new.
    public internal(set) var retransmittedSegments: UInt64 = 0
    /// Payload bytes that had been there before.
    public internal(set) var retransmittedBytes: UInt64 = 0
    /// Keep-alive probes.
    public internal(set) var keepAlives: UInt64 = 0
    /// Segments that came after others that follow them in the stream.
    public internal(set) var outOfOrderSegments: UInt64 = 0
    /// Segments whose sequence numbers are too far from the stream's, or after its end.
    public internal(set) var outsideWindowSegments: UInt64 = 0
    /// Segments of connections that had ended, and resets of unknown ones.
    public internal(set) var straySegments: UInt64 = 0
    /// Pieces of streams that were not in the capture.
    public internal(set) var holes: UInt64 = 0
    /// Bytes in them.
    public internal(set) var holeBytes: UInt64 = 0
    /// Connections seen.
    public internal(set) var connections: UInt64 = 0
    /// Open connections forgotten to make room for others.
    public internal(set) var evictedConnections: UInt64 = 0

    /// Link types that are not read, in the order they came; the first eight.
    public private(set) var unknownLinkTypes: [LinkType] = []

    private var malformedCounts: InlineArray<6, UInt64> = .init(repeating: 0)
    private var unsupportedCounts: InlineArray<2, UInt64> = .init(repeating: 0)
    /// Packets whose link type is not read.
    public private(set) var ofUnknownLinkType: UInt64 = 0

    /// Zero counters.
    public init() {}

    /// Packets that could not be read because of `reason`.
    ///
    /// - Parameter reason: Any of them.
    /// - Returns: The number of packets.
    public func malformed(_ reason: MalformedReason) -> UInt64 { malformedCounts[Int(reason.rawValue)] }

    /// Packets that could not be read, for any reason.
    public var malformedTotal: UInt64 {
        MalformedReason.allCases.reduce(0) { $0 + malformed($1) }
    }

    /// Packets that were not read because they are of `kind`.
    ///
    /// - Parameter kind: Any of them.
    /// - Returns: The number of packets.
    public func unsupported(_ kind: UnsupportedKind) -> UInt64 { unsupportedCounts[Int(kind.rawValue)] }

    mutating func count(malformed reason: MalformedReason) { malformedCounts[Int(reason.rawValue)] &+= 1 }

    mutating func count(unsupported kind: UnsupportedKind) { unsupportedCounts[Int(kind.rawValue)] &+= 1 }

    /// Records a packet whose link type is not read.
    mutating func count(unknown linkType: LinkType) {
        ofUnknownLinkType &+= 1
        guard unknownLinkTypes.count < 8, !unknownLinkTypes.contains(linkType) else { return }
        unknownLinkTypes.append(linkType)
    }
}
