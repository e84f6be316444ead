internal import Admin
internal import Calls
internal import Dispatch
internal import Glibc
internal import Inspection
internal import Logging
internal import Policy
internal import Relay
internal import Settings
internal import Synchronization
internal import Telemetry
internal import Wire

/// The messages between a process and the one that it took over from.
extension Proxy {
    // MARK: The newest process

    private static let drainsWord = "drains"

    /// The state for a process that takes over, or that follows this one's limits.
    var handedState: TakeoverState { limits.handedState(with: [Self.drainsWord: toTell.bytes]) }

    /// Takes over the drains that came with the sockets, before any connection is accepted.
    static func adopt(_ state: TakeoverState?, _ drains: DrainControl) {
        guard let bytes = state?.texts[drainsWord], let state = try? HandedOver(bytes) else { return }
        adopt(state, drains)
    }

    private static func adopt(_ state: HandedOver, _ drains: DrainControl) {
        let known = drains.registry.current
        for drain in state.drains where !known.contains(where: { $0.target == drain.order.target }) {
            drains.registry.begin(drain.order)
            drains.note(drain.rates, drain.order.target)
            if let answer = drain.qos { drains.note(answer, drain.order.target) }
        }
    }

    /// Takes over what was set over the admin API of the process before.
    func adopt(_ bytes: [UInt8]) {
        guard settings.inspection.isEnabled, let state = try? HandedOver(bytes) else { return }
        Self.adopt(state, drains)
        if !state.drains.isEmpty { sources.drainsChanged() }
        if !state.drains.isEmpty { logger.notice("drains taken over", metadata: ["drains": "\(state.drains.count)"]) }
    }

    /// The state that every other process copies.
    var toTell: HandedOver { HandedOver(drains) }

    /// The drains of other processes, with what came of them there.
    func handedOver() async -> [HandedOver] {
        await others.ask("drains").compactMap { try? HandedOver($0.body) }
    }

    /// The connections of other processes.
    func otherConnections() async -> [ConnectionReport] {
        await others.ask("connections").flatMap { (try? ConnectionReport.all(in: $0.body)) ?? [] }
    }

    /// Has the other processes drain what this one drains, and nothing else.
    func tellDrains() async {
        sources.drainsChanged()
        _ = await others.ask("drains", toTell.bytes)
    }

    // MARK: A process that was taken over from

    /// Answers the newest process.
    func answer(_ question: TakeoverReporter.Question) async -> TakeoverReporter.Answer {
        switch question.what {
        case "state": return (200, toTell.bytes)
        case "connections":
            return (200, ConnectionReport.bytes(of: await sources.connections(), callers: callers?.names ?? []))
        case "drains":
            if !question.body.isEmpty, !follow(question.body) { return (400, []) }
            return (200, toTell.bytes)
        case "limits": return (await followLimits() ? 200 : 503, [])
        case "end":
            // Consumers are told why.
            _ = follow(question.body)
            kill(getpid(), SIGTERM)
            return (200, [])
        default: return (404, [])
        }
    }

    /// Drains what the newest process drains, and nothing else.
    private func follow(_ bytes: [UInt8]) -> Bool {
        guard settings.inspection.isEnabled else { return true }
        guard let state = try? HandedOver(bytes) else { return false }
        var hasChanged = false
        for order in drains.registry.current where !state.drains.contains(where: { $0.order.target == order.target }) {
            drains.registry.end(order.target)
            hasChanged = true
        }
        let known = drains.registry.current
        for drain in state.drains where !known.contains(where: { drain.isSame(as: $0) }) {
            drains.registry.begin(drain.order)
            hasChanged = true
        }
        if hasChanged { sources.drainsChanged() }
        return true
    }

    /// Fetches the limits of the newest process, and decides by them in its windows.
    private func followLimits() async -> Bool {
        let port = relay.addresses.first?.port ?? 0
        return await withCheckedContinuation { continuation in
            following.async { [self] in
                do {
                    guard let state = try Takeover.state(port: port) else {
                        return continuation.resume(returning: false)
                    }
                    try limits.follow(state)
                    sources.limitsChanged()
                    logger.info("limits are the successor's")
                    continuation.resume(returning: true)
                } catch is TakeoverError {
                    // It is gone or has no time: whoever is the newest then has them fetched again.
                    continuation.resume(returning: false)
                } catch {
                    logger.error("limits stay as they are", metadata: ["problem": "\(error)"])
                    continuation.resume(returning: false)
                }
            }
        }
    }

    /// Puts other limits in force.
    ///
    /// - Returns: The problems with them, if there are any.
    func put(limits text: String) -> [String]? {
        let document: LimitsDocument
        do throws(ConfigurationProblems) {
            document = try LimitsFile.read(text: text, path: "body")
        } catch {
            return error.problems.map(\.description)
        }
        do throws(LimitSetError) {
            try limits.replace(document, text: text)
        } catch {
            return [error.description]
        }
        sources.limitsChanged()
        return nil
    }

    // MARK: RemoteSubscribers

    /// Subscribes to calls as they end, those of other processes too.
    func calls(
        matching parameters: [(name: String, value: String)]
    ) async throws(CallStreamError) -> CallStream {
        let subscription = try await subscribe(parameters)
        var writer = ReportWriter()
        writer.add(each: parameters) { writer, parameter in
            writer.add(parameter.name)
            writer.add(parameter.value)
        }
        let number = await others.subscribe(writer.bytes) { subscription.add($0) }
        return CallStream(
            next: { await subscription.next() },
            cancel: { [others] in
                subscription.cancel()
                others.unsubscribe(number)
            }
        )
    }

    /// Subscribes to this process's calls.
    func subscribe(_ parameters: [(name: String, value: String)]) async throws(CallStreamError) -> CallSubscription {
        guard settings.inspection.isEnabled else { throw .unavailable("inspection is switched off") }
        let filter: CallFilter
        do throws(CallFilterProblems) {
            filter = try CallFilter(parameters: parameters)
        } catch {
            throw .badParameters(error.description)
        }
        do throws(CallSubscriptionError) {
            return try await sources.subscribers.subscribe(filter)
        } catch {
            switch error {
            case .tooMany: throw .unavailable("there are \(CallSubscribers.maxCount) viewers already")
            case .ended: throw .unavailable("no connections are relayed any more")
            }
        }
    }
}
