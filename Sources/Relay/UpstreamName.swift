internal import Clocks
internal import Synchronization
public import Wire

/// An upstream known by a name, which may have several addresses.
///
/// They are tried in the order of the lookup, at most 16 of them. When a connection found none that accepts, the name
/// is looked up again, on a thread of its own, at most once a second; a lookup that finds nothing changes nothing.
public final class UpstreamName: Sendable {
    /// The most addresses that are tried.
    public static let maxAddresses = 16
    private static let pauseNanoseconds: UInt64 = 1_000_000_000

    private struct State {
        var endpoints: [Endpoint]
        var isBusy = false
        /// The time from which the name may be looked up again.
        var time: UInt64 = 0
    }

    private let state: Mutex<State>
    private let lookUp: @Sendable () -> [Endpoint]

    /// A name whose addresses are known.
    ///
    /// - Parameters:
    ///   - endpoints: The addresses, in order; `nil` is returned if there is none.
    ///   - lookUp: Finds them again; called on a thread where it may wait. Empty if there are none.
    public init?(_ endpoints: [Endpoint], lookUp: @escaping @Sendable () -> [Endpoint]) {
        guard !endpoints.isEmpty else { return nil }
        state = Mutex(State(endpoints: Array(endpoints.prefix(Self.maxAddresses))))
        self.lookUp = lookUp
    }

    /// Its addresses, of which there is at least one.
    public var endpoints: [Endpoint] { state.withLock(\.endpoints) }

    /// No address accepted.
    func allFailed(now: UInt64) {
        let isDue = state.withLock { state in
            guard !state.isBusy, now >= state.time else { return false }
            state.isBusy = true
            return true
        }
        guard isDue else { return }
        let result = Linux.startThread(named: "weir-lookup") { [self] in end(lookUp()) }
        if result < 0 { end([]) }
    }

    private func end(_ found: [Endpoint]) {
        let now = SystemClock.now()
        state.withLock { state in
            if !found.isEmpty { state.endpoints = Array(found.prefix(Self.maxAddresses)) }
            state.isBusy = false
            state.time = now + Self.pauseNanoseconds
        }
    }
}

/// The destination of a connection, and the alternatives.
struct Candidates {
    /// The address that is tried, or that has accepted.
    private(set) var current: Endpoint
    private(set) var others: ArraySlice<Endpoint> = []
    /// The name that they are addresses of.
    private let name: UpstreamName?

    init(_ endpoint: Endpoint) {
        current = endpoint
        name = nil
    }

    init(_ name: UpstreamName) {
        let endpoints = name.endpoints
        current = endpoints[0]
        others = endpoints[1...]
        self.name = name
    }

    /// Goes on to the next address, if there is one.
    mutating func advance() -> Bool {
        guard let next = others.popFirst() else { return false }
        current = next
        return true
    }

    /// One has accepted.
    mutating func settle() { others = [] }

    /// None has accepted.
    func allFailed(now: UInt64) { name?.allFailed(now: now) }
}
