internal import Admin
internal import Calls
internal import Clocks
internal import Export
internal import Inspection
internal import Logging
internal import Policy
internal import Relay
internal import Settings
internal import Synchronization
internal import Telemetry
internal import Wire

/// The routes of the admin API.
extension Proxy {
    var routes: [AdminRoute] {
        [
            .read("/v1/config") { [self] in AdminAnswer(contentType: "application/yaml", text: settings.yamlText) },
            .change(.post, "/v1/reload") { [self] in await readAgain() },
            .read("/v1/log-level") { [self] in logLevel },
            .change(.post, "/v1/log-level", form: { [self] in setLogLevel($0) }),
            .change(.post, "/v1/expect", form: { [self] in expect($0) }),
            .read("/v1/limits") { [self] in
                await inspecting { AdminAnswer(limits.report(hiding: settings.redact)) }
            },
            .change(.put, "/v1/limits", text: { [self] text in await inspecting { await replaceLimits(text) } }),
            .read("/v1/drain", query: { [self] query in await inspecting { await report(query) } }),
            .change(.post, "/v1/drain", form: { [self] form in await inspecting { await drain(form) } }),
            .change(.delete, "/v1/drain", form: { [self] form in await inspecting { await undrain(form) } }),
        ]
    }

    /// Answers what has to do with calls: not without inspection, and not before this process is what the one before it
    /// had been told to be.
    private func inspecting(_ answer: () async -> AdminAnswer) async -> AdminAnswer {
        guard settings.inspection.isEnabled else { return .problem(503, "inspection is switched off") }
        await others.expected()
        return await answer()
    }

    /// Reads the files again.
    private func readAgain() async -> AdminAnswer {
        guard let reload = reload.withLock({ $0 }) else { return .problem(503, "there are no files to read") }
        // What the process before had been told must not come after this.
        await others.expected()
        return await reload.call()
    }

    /// Announces a connection: `peer` is whom it will come from, `word` what it is to be told.
    private func expect(_ parameters: [AdminParameter]) -> AdminAnswer {
        var values: [String: String] = [:]
        for parameter in parameters { values[parameter.name] = parameter.value }
        guard parameters.count == 2, let peer = values["peer"], let word = values["word"] else {
            return .problem(400, "known are peer=ADDRESS:PORT and word=TEXT, and both are needed")
        }
        let isWord = word.utf8.allSatisfy { byte in
            UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte
        }
        guard 1...32 ~= word.utf8.count, isWord else { return .problem(400, "word: 1...32 small letters and digits") }
        guard let address = NetworkAddress(peer) else { return .problem(400, "peer: ADDRESS:PORT is expected") }
        let endpoint: Endpoint
        switch address.host {
        case .ipv4(let host): endpoint = Endpoint(ipv4: host, port: address.port)
        case .ipv6(let host):
            endpoint = Endpoint(high: UInt64(host >> 64), low: UInt64(truncatingIfNeeded: host), port: address.port)
        case .name: return .problem(400, "peer: no name is looked up")
        }
        relay.expect(endpoint, word: word)
        return AdminAnswer(contentType: "text/plain; charset=utf-8", text: "expected\n")
    }

    // MARK: Log

    private var logLevel: AdminAnswer {
        var json = JSONText()
        json.beginObject()
        json.key("level")
        json.string("\(log.level)")
        json.endObject()
        json.endLine()
        return AdminAnswer(json)
    }

    /// Has other log lines written: `level` is the least one.
    private func setLogLevel(_ parameters: [AdminParameter]) -> AdminAnswer {
        guard parameters.count == 1, parameters[0].name == "level", let level = LogLevel(rawValue: parameters[0].value)
        else {
            let known = LogLevel.allCases.map(\.rawValue).joined(separator: ", ")
            return .problem(400, "level=LEVEL is needed, one of \(known)")
        }
        let before = log.level
        log.level = level.level
        logger.notice("log level changed", metadata: ["from": "\(before)", "to": "\(level)", "cause": "the admin API"])
        return logLevel
    }

    // MARK: Limits

    private func replaceLimits(_ text: String) async -> AdminAnswer {
        if let problems = put(limits: text) {
            return .problem(400, "the old limits stay in force", details: problems)
        }
        let count = limits.registry.current.limits.count
        logger.notice("limits replaced", metadata: ["cause": "the admin API", "limits": "\(count)"])
        await others.tellLimits()
        return AdminAnswer(limits.report(hiding: settings.redact))
    }

    // MARK: Drains

    private static func facts(_ drain: DrainRequest) -> Logger.Metadata {
        var facts: Logger.Metadata = [
            "target": "\(drain.target.logText)", "grace": "\(drain.grace.settingText)",
            "deadline": "\(drain.deadline.settingText)",
            "signal": "\(drain.signal.rawValue)", "cause": "the admin API",
        ]
        if !drain.reason.isEmpty { facts["reason"] = "\(drain.reason)" }
        return facts
    }

    /// The progress of drains.
    func drainReport() async -> DrainReport {
        let orders = drains.registry.current
        let answers = await sources.snapshots()
        let snapshot = MetricsSnapshot(merging: answers.snapshots, registry: registry, labels: labels)
        let connections = (await sources.connections() + otherConnections()).filter { $0.side == .provider }
        let elsewhere = await handedOver()
        var reports = snapshot.operations
        for other in await others.reports() { reports += other.snapshot.operations }
        let now = SystemClock.now()
        let states = orders.map { order in
            let left = reports.reduce(Int64(0)) { sum, report in
                let isCovered = order.target.covers(report.operation)
                return report.side == .provider && isCovered ? sum &+ report.inFlight : sum
            }
            return DrainReport.Drain(
                order: order,
                stage: order.stage(at: now),
                inFlight: left,
                qos: drains.answer(order.target),
                elsewhere: elsewhere.flatMap { $0.drains.filter { $0.order.target == order.target } }
            )
        }
        let names = callers?.names ?? []
        let before = orders.lazy.compactMap { self.drains.rates($0.target) }.first ?? [:]
        return DrainReport(
            now: now,
            drains: states,
            connections: connections,
            callers: names,
            consumers: orders.isEmpty
                ? [] : DrainReport.consumers(connections, before: before, callers: names),
            recalledConnections: elsewhere.reduce(drains.registry.recalledConnections) {
                $0 &+ $1.recalledConnections
            }
        )
    }

    private func report(_ parameters: [AdminParameter]) async -> AdminAnswer {
        for parameter in parameters {
            guard parameter.name == "format", ["json", "lines"].contains(parameter.value) else {
                return .problem(400, "\(parameter.name): unknown, known is format=json or format=lines")
            }
        }
        let report = await drainReport()
        return AdminAnswer(parameters.contains { $0.value == "lines" } ? report.lines : report.json)
    }

    private func drain(_ parameters: [AdminParameter]) async -> AdminAnswer {
        let request: DrainRequest
        do throws(DrainProblem) {
            request = try drains.request(parameters)
        } catch {
            return .problem(400, error.reason)
        }
        // The registry's subscribers are told first, so that consumers have somewhere else to go; the grace is for what
        // comes after that.
        await askApplication(request.target, isOffline: true)
        let rates = DrainReport.rates(await sources.connections() + otherConnections())
        guard drains.registry.begin(request.order(now: SystemClock.now())) else {
            await askApplication(request.target, isOffline: false)
            return .problem(503, "\(DrainRegistry.maxOrders) drains are under way already")
        }
        drains.note(rates, request.target)
        await tellDrains()
        logger.notice("drain begun", metadata: Self.facts(request))
        return AdminAnswer(await drainReport().json)
    }

    private func undrain(_ parameters: [AdminParameter]) async -> AdminAnswer {
        let target: DrainTarget
        do throws(DrainProblem) {
            target = try drains.target(parameters)
        } catch {
            return .problem(400, error.reason)
        }
        guard drains.registry.end(target) != nil else { return .problem(404, "nothing of that name is drained") }
        await tellDrains()
        logger.notice("drain undone", metadata: ["target": "\(target.logText)", "cause": "the admin API"])
        await askApplication(target, isOffline: false)
        drains.forget(target)
        return AdminAnswer(await drainReport().json)
    }

    /// Has the application take what is drained out of its registry, or put it back, if it takes commands.
    private func askApplication(_ target: DrainTarget, isOffline: Bool) async {
        // A method cannot be taken out by itself.
        guard let address = drains.qos, target.method.isEmpty else { return }
        let command = ApplicationCommand(interface: target.interface, isOffline: isOffline)
        let answer = await command.send(to: address.description)
        let text = "\(command.name) \(command.services)"
        drains.note(DrainControl.QOSAnswer(command: text, answer: answer), target)
    }

    /// Begins to drain the whole service because the process is to end; a drain of it that has begun goes on.
    ///
    /// A process that another has taken over from drains nothing: the service stays where it is, and so nobody is told
    /// that it goes.
    ///
    /// - Returns: How long connections may take: a second more than the deadline, in which those that are still in use
    ///   are closed between two calls.
    func beginEnd() -> Duration {
        if settings.inspection.isEnabled, settings.provider.isEnabled, drains.registry.service == nil,
            !isFollowed.load(ordering: .relaxed)
        {
            drains.registry.begin(drains.orderOfEnd())
            sources.drainsChanged()
        }
        let time = max(settings.drain.deadline, settings.drain.grace) + .seconds(1)
        endTime.store(SystemClock.now() &+ time.nanoseconds, ordering: .relaxed)
        return time
    }
}

extension DrainTarget {
    /// Its name in log lines.
    var logText: String { isService ? "service" : method.isEmpty ? interface : "\(interface).\(method)" }
}
