internal import Calls

/// Where the numbers that belong to no operation are: at the start of a recorder's array.
///
/// Position 0 is nobody's, so that 0 can mean "none".
enum ProcessWords {
    private static let protocolCount = ConnectionProtocol.allCases.count
    private static let eventCount = PeerEvent.allCases.count
    private static let connectionsFirst = 1 + Side.allCases.count * eventCount
    private static let openFirst = connectionsFirst + Side.allCases.count * protocolCount
    private static let refusedFirst = openFirst + Side.allCases.count * protocolCount
    private static let uninspectedFirst = refusedFirst + RefusalReason.allCases.count
    private static let partialFirst = uninspectedFirst + UninspectedReason.allCases.count
    /// A gauge: entries of the worker's call tables.
    static let callTableEntries = partialFirst + PartialVerdictReason.allCases.count
    /// How many there are.
    static let total = interceptedFirst + Side.allCases.count
    private static let interceptedFirst = callTableEntries + 1

    static func event(_ event: PeerEvent, _ side: Side) -> Int {
        1 + Int(side.rawValue) * eventCount + Int(event.rawValue)
    }

    static func connections(_ side: Side, _ connectionProtocol: ConnectionProtocol) -> Int {
        connectionsFirst + Int(side.rawValue) * protocolCount + Int(connectionProtocol.rawValue)
    }

    static func openConnections(_ side: Side, _ connectionProtocol: ConnectionProtocol) -> Int {
        openFirst + Int(side.rawValue) * protocolCount + Int(connectionProtocol.rawValue)
    }

    static func refused(_ reason: RefusalReason) -> Int { refusedFirst + Int(reason.rawValue) }

    static func intercepted(_ side: Side) -> Int { interceptedFirst + Int(side.rawValue) }

    static func uninspected(_ reason: UninspectedReason) -> Int { uninspectedFirst + Int(reason.rawValue) }

    static func partial(_ reason: PartialVerdictReason) -> Int { partialFirst + Int(reason.rawValue) }
}
