internal import Calls
internal import Policy

extension SettingsDraft {
    /// Looks for values that are right by themselves and cannot be true together.
    ///
    /// What hangs on a key with a wrong value is left out: the default in its place would say nothing.
    mutating func findContradictions() {
        guard isComplete else { return }
        findNothingToDo()
        findOverlaps()
        findLoops()
        findMissingToken()
        findNeedlessTracing()
        findNeedlessCallLog()
    }

    private mutating func findNothingToDo() {
        guard !settings.provider.isEnabled, !settings.consumer.isEnabled else { return }
        contradict(["provider.enabled", "consumer.enabled"], "neither side is on, there is nothing to do")
    }

    private mutating func findOverlaps() {
        var listeners: [(path: String, address: NetworkAddress)] = []
        if settings.provider.isEnabled { listeners.append(("provider.listen", settings.provider.listen)) }
        if settings.consumer.isEnabled { listeners.append(("consumer.listen", settings.consumer.listen)) }
        listeners.append(("admin.listen", settings.admin.listen))
        if let address = settings.admin.metricsListen { listeners.append(("admin.metrics-listen", address)) }
        if let address = settings.admin.probesListen { listeners.append(("admin.probes-listen", address)) }
        for (index, second) in listeners.enumerated() {
            guard let first = listeners[..<index].first(where: { $0.address.overlaps(second.address) }) else {
                continue
            }
            let (place, other) = origins[second.path] == nil ? (first, second) : (second, first)
            let reason = "\(place.address) is already taken by \(other.path) (\(other.address))"
            contradict([place.path], and: other.path, reason)
        }
    }

    private mutating func findLoops() {
        let sides = [("provider", settings.provider), ("consumer", settings.consumer)].filter { $0.1.isEnabled }
        for (name, side) in sides {
            guard let upstream = side.upstream, upstream.reaches(side.listen) else { continue }
            let reason = "\(upstream) leads back to \(name).listen (\(side.listen))"
            contradict(["\(name).upstream"], and: "\(name).listen", reason)
        }
        guard sides.count == 2, let first = sides[0].1.upstream, let second = sides[1].1.upstream,
            first.reaches(sides[1].1.listen), second.reaches(sides[0].1.listen)
        else { return }
        contradict(["consumer.upstream"], and: "provider.upstream", "the sides are each other's upstream")
    }

    private mutating func findMissingToken() {
        guard !settings.admin.listen.isLoopback, settings.admin.token == nil, !failed.contains("admin.token") else {
            return
        }
        let reason = "\(settings.admin.listen) is not on loopback: what is asked there needs admin.token"
        contradict(["admin.listen"], "\(reason) (for scraping alone use admin.metrics-listen)")
    }

    /// What is said of spans although none are sent.
    private mutating func findNeedlessTracing() {
        guard settings.tracing.endpoint == nil else { return }
        let propagations = [
            ("propagate.dubbo", settings.propagate.dubbo), ("propagate.triple", settings.propagate.triple),
            ("propagate.jsonrpc", settings.propagate.jsonrpc),
        ]
        for (path, propagation) in propagations where propagation == .inject {
            contradict([path], and: "tracing.endpoint", "a context of Weir's own needs spans: set tracing.endpoint")
        }
        if settings.tracing.remoteSampling != nil {
            contradict(["tracing.remote-sampling"], and: "tracing.endpoint", "there are no spans: set tracing.endpoint")
        }
    }

    /// What is said of lines for calls although there are none, or twice.
    private mutating func findNeedlessCallLog() {
        let log = settings.log
        if log.calls == nil, origins["log.calls"] == nil {
            for path in ["log.calls-filter", "log.calls-sample"] {
                contradict([path], and: "log.calls", "means nothing without log.calls")
            }
        }
        do throws(CallFilterProblems) {
            _ = try CallFilter(parameters: log.callsFilter.map(LogSettings.parameter))
        } catch {
            contradict(["log.calls-filter"], error.description)
        }
    }

    /// Reports at the first of `paths` that was given.
    private mutating func contradict(_ paths: [String], and other: String? = nil, _ reason: String) {
        guard failed.isDisjoint(with: paths), other.map(failed.contains) != true else { return }
        guard let path = paths.first(where: { origins[$0] != nil }), let source = origins[path] else { return }
        problems.append(ConfigurationProblem(source: source, keyPath: path, reason: reason))
    }
}
