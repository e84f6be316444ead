internal import Settings

/// The reasons for which connections cannot be intercepted as requested.
public enum InterceptProblem: Error, Equatable, Sendable, CustomStringConvertible {
    /// A list of ports cannot be read.
    case ports(String)
    /// No side is to be intercepted, or a side has no ports.
    case nothing
    /// The user database has no such user.
    case unknownUser(String)
    /// Rules for what this machine sends need the user that Weir runs as, or Weir's own connections would come back.
    case needsUser
    /// A port that Weir itself listens on would be sent to Weir.
    case ownPort(UInt16)
    /// A side's listen port must be known.
    case noListenPort

    /// The problem in one line.
    public var description: String {
        switch self {
        case .ports(let reason): "ports: \(reason)"
        case .nothing: "no ports to intercept"
        case .unknownUser(let name): "no such user: \(name.quoted)"
        case .needsUser: "the user that Weir runs as must be named, or Weir's own connections would come back to it"
        case .ownPort(let port): "port \(port) is one of Weir's own"
        case .noListenPort: "a listen port of 0 cannot be intercepted to"
        }
    }
}

/// The connections that are redirected to Weir.
///
/// Only a connection's first segment, a SYN, is redirected, so open connections stay as they are.
public struct FirewallPlan: Equatable, Sendable {
    /// Connections to the application.
    public struct Provider: Equatable, Sendable {
        /// The application's ports.
        public let ports: PortSet
        /// The port of Weir's provider side; it must listen on all addresses.
        public let listenPort: UInt16
        /// True if connections from this machine (other containers of a pod) are redirected too.
        public let includesLocal: Bool

        /// Makes the provider side.
        ///
        /// - Parameters:
        ///   - ports: The application's ports.
        ///   - listenPort: The port of Weir's provider side.
        ///   - includesLocal: True if connections from this machine are redirected too; needs the plan's user.
        public init(ports: PortSet, listenPort: UInt16 = 16006, includesLocal: Bool = false) {
            self.ports = ports
            self.listenPort = listenPort
            self.includesLocal = includesLocal
        }
    }

    /// Connections that the application makes.
    public struct Consumer: Equatable, Sendable {
        /// The ports that are taken; `nil` for every port but ``excluded``.
        public let ports: PortSet?
        /// Ports that are excluded even if ``ports`` has them.
        public let excluded: PortSet
        /// The port of Weir's consumer side; it must listen on loopback of both families.
        public let listenPort: UInt16
        /// True if connections to 127.0.0.0/8 and ::1 are redirected too.
        public let includesLoopback: Bool

        /// Makes the consumer side.
        ///
        /// - Parameters:
        ///   - ports: The ports that are taken, or `nil` for all.
        ///   - excluded: Ports that are left alone.
        ///   - listenPort: The port of Weir's consumer side.
        ///   - includesLoopback: True if connections to loopback addresses are redirected too.
        public init(
            ports: PortSet?,
            excluded: PortSet = PortSet([]),
            listenPort: UInt16 = 16001,
            includesLoopback: Bool = false
        ) {
            self.ports = ports
            self.excluded = excluded
            self.listenPort = listenPort
            self.includesLoopback = includesLoopback
        }
    }

    /// Connections to the application; `nil` leaves them alone.
    public let provider: Provider?
    /// Connections that the application makes; `nil` leaves them alone.
    public let consumer: Consumer?
    /// The number of the user that Weir runs as.
    public let user: UInt32?
    /// Ports that Weir listens on: never intercepted, and refused where they are asked for.
    public let ownPorts: PortSet

    /// Makes a plan.
    ///
    /// - Parameters:
    ///   - provider: Connections to the application.
    ///   - consumer: Connections that the application makes.
    ///   - user: Name or number of the user that Weir runs as; its connections are left alone.
    ///   - ownPorts: Further ports that Weir listens on: the other side's, admin, metrics.
    /// - Throws: ``InterceptProblem`` for what cannot work.
    public init(
        provider: Provider?,
        consumer: Consumer?,
        user: String?,
        ownPorts: [UInt16] = [16080]
    ) throws(InterceptProblem) {
        let listenPorts = [provider?.listenPort, consumer?.listenPort].compactMap(\.self)
        guard !listenPorts.isEmpty, provider?.ports.isEmpty != true, consumer?.ports?.isEmpty != true else {
            throw .nothing
        }
        guard !listenPorts.contains(0) else { throw .noListenPort }
        for port in listenPorts + ownPorts
        where provider?.ports.contains(port) == true || consumer?.ports?.contains(port) == true {
            throw .ownPort(port)
        }
        if let user {
            guard let number = userNumber(user) else { throw .unknownUser(user) }
            self.user = number
        } else {
            guard consumer == nil, provider?.includesLocal != true else { throw .needsUser }
            self.user = nil
        }
        self.provider = provider
        self.consumer = consumer
        self.ownPorts = PortSet(listenPorts + ownPorts)
    }
}
