internal import Admin
internal import Calls
internal import Clocks
internal import Policy
internal import Relay
internal import Settings
internal import Synchronization
internal import Telemetry

/// Starts and undoes drains, and says how far they have come.
final class DrainControl: Sendable {
    let registry = DrainRegistry()
    private let settings: DrainSettings
    /// The answers of the application's QOS, by target.
    private let answers = Mutex<[DrainTarget: QOSAnswer]>([:])
    /// What consumers called before the drains that were asked for last, by target; the oldest first.
    private let rates = Mutex<[(target: DrainTarget, rates: [String: Double])]>([])
    private static let maxRatedDrains = 8
    static let maxRatedConsumers = 1000

    /// A command to an application and its answer.
    struct QOSAnswer: Sendable {
        var command: String
        var answer: String
    }

    init(_ settings: DrainSettings) { self.settings = settings }

    /// The address at which the application takes commands, if it is asked.
    var qos: NetworkAddress? { settings.qos }

    /// A drain as it was asked for over the admin API.
    ///
    /// - Parameter parameters: `interface`, `method`, `grace`, `deadline`, `signal`, `reason`.
    /// - Returns: The target and terms of the drain.
    /// - Throws: The problem with them.
    func request(_ parameters: [AdminParameter]) throws(DrainProblem) -> DrainRequest {
        var draft = Draft(grace: settings.grace, deadline: settings.deadline, signal: settings.signal)
        for parameter in parameters { try draft.take(parameter) }
        return DrainRequest(
            target: try draft.target(),
            reason: draft.reason,
            grace: draft.grace,
            deadline: draft.deadline,
            signal: draft.signal,
            givesClosing: settings.givesClosing
        )
    }

    /// The target of parameters that name nothing else.
    func target(_ parameters: [AdminParameter]) throws(DrainProblem) -> DrainTarget {
        var draft = Draft(grace: .zero, deadline: .zero, signal: .auto)
        for parameter in parameters {
            guard parameter.name == "interface" || parameter.name == "method" else {
                throw DrainProblem(reason: "\(parameter.name): unknown, known are interface, method")
            }
            try draft.take(parameter)
        }
        return try draft.target()
    }

    /// The drain of the whole service before the process ends.
    func orderOfEnd() -> DrainOrder {
        DrainOrder(
            target: .service,
            now: SystemClock.now(),
            grace: settings.grace.nanoseconds,
            deadline: settings.deadline.nanoseconds,
            signalling: settings.signal,
            givesClosing: settings.givesClosing
        )
    }

    /// Keeps what consumers called before a drain: of the eight latest drains, of the 1,000 consumers that called most.
    func note(_ found: [String: Double], _ target: DrainTarget) {
        let most = found.sorted { $0.value > $1.value }.prefix(Self.maxRatedConsumers)
        let kept = Dictionary(uniqueKeysWithValues: most.map { ($0.key, $0.value) })
        rates.withLock { rates in
            rates.removeAll { $0.target == target }
            if rates.count == Self.maxRatedDrains { rates.removeFirst() }
            rates.append((target, kept))
        }
    }

    /// The consumers' rates before a drain; `nil` if not known.
    func rates(_ target: DrainTarget) -> [String: Double]? {
        rates.withLock { $0.first { $0.target == target }?.rates }
    }

    /// A drain was undone.
    func forget(_ target: DrainTarget) {
        note(nil, target)
        rates.withLock { $0.removeAll { $0.target == target } }
    }

    /// Keeps what the application answered.
    func note(_ answer: QOSAnswer?, _ target: DrainTarget) { answers.withLock { $0[target] = answer } }

    func answer(_ target: DrainTarget) -> QOSAnswer? { answers.withLock { $0[target] } }

    /// The samples of the metrics page.
    var readings: DrainReadings {
        let now = SystemClock.now()
        var states = [DrainReadings.State(interface: "", method: "", value: 0)]
        for order in registry.current {
            let value = order.stage(at: now).rawValue
            if order.target.isService {
                states[0].value = value
            } else {
                states.append(
                    DrainReadings.State(interface: order.target.interface, method: order.target.method, value: value)
                )
            }
        }
        return DrainReadings(
            states: states,
            signals: DrainSignal.allCases.map { (signal: $0.label.description, count: registry.count(of: $0)) }
        )
    }
}

/// A drain that is asked for.
struct DrainRequest {
    var target: DrainTarget
    var reason: String
    var grace: Duration
    var deadline: Duration
    var signal: DrainSignalling
    var givesClosing: Bool

    /// The drain, when it begins.
    func order(now: UInt64) -> DrainOrder {
        DrainOrder(
            target: target,
            reason: reason,
            now: now,
            grace: grace.nanoseconds,
            deadline: deadline.nanoseconds,
            signalling: signal,
            givesClosing: givesClosing
        )
    }
}

/// The reason that something cannot be drained.
struct DrainProblem: Error {
    var reason: String
}

/// A drain in the making.
private struct Draft {
    private static let maxNameBytes = 512
    private static let longest = Duration.seconds(24 * 3600)

    var interface = ""
    var method = ""
    var reason = ""
    var grace: Duration
    var deadline: Duration
    var signal: DrainSignalling

    mutating func take(_ parameter: AdminParameter) throws(DrainProblem) {
        switch parameter.name {
        case "interface": interface = try name(parameter)
        case "method": method = try name(parameter)
        case "reason":
            reason = try name(parameter)
            let lower = reason.lowercased()
            if let phrase = LocalReplyPolicy.forbiddenTexts.first(where: { lower.contains($0) }) {
                throw DrainProblem(reason: "reason: must not contain \"\(phrase)\": dubbo-go would drop the provider")
            }
        case "signal":
            guard let word = DrainSignalling(rawValue: parameter.value) else {
                throw DrainProblem(reason: "signal: not auto or none")
            }
            signal = word
        case "grace": grace = try duration(parameter)
        case "deadline": deadline = try duration(parameter)
        default:
            throw DrainProblem(
                reason: "\(parameter.name): unknown, known are interface, method, grace, deadline, signal, reason"
            )
        }
    }

    func target() throws(DrainProblem) -> DrainTarget {
        guard method.isEmpty || !interface.isEmpty else { throw DrainProblem(reason: "method: needs an interface") }
        return DrainTarget(interface: interface, method: method)
    }

    private func name(_ parameter: AdminParameter) throws(DrainProblem) -> String {
        let value = parameter.value
        guard value.utf8.count <= Self.maxNameBytes, value.unicodeScalars.allSatisfy({ $0.value >= 0x20 }) else {
            throw DrainProblem(reason: "\(parameter.name): at most \(Self.maxNameBytes) bytes, no control characters")
        }
        return value
    }

    private func duration(_ parameter: AdminParameter) throws(DrainProblem) -> Duration {
        guard let duration = Duration(settingText: parameter.value), duration <= Self.longest else {
            throw DrainProblem(reason: "\(parameter.name): not a time such as 500ms, 10s, 1m, up to 24h")
        }
        return duration
    }
}
