internal import Calls
internal import Clocks
internal import Relay
internal import Synchronization
internal import Telemetry

/// What the other processes are told to do.
extension OtherProcesses {
    /// What this process does with what others say, and has them do.
    struct Hooks: Sendable {
        /// Takes what the process before had been told over its admin API.
        var adopt: @Sendable ([UInt8]) -> Void = { _ in }
        /// What the others are to have as this process has it.
        var toTell: @Sendable () -> HandedOver? = { nil }
    }

    /// How often it is looked whether a process has gone.
    private static let pause = Duration.milliseconds(50)

    /// Asks every other process, once the one that was taken over from is there.
    ///
    /// - Returns: The answers of those that did what was asked.
    func ask(_ what: String, _ body: [UInt8] = []) async -> [TakeoverPeers.Answer] {
        await expected()
        return await peers.ask(what, body: body).filter { $0.status == 200 }
    }

    /// Has a process that has just come, or awoke, do as this one does.
    func tell(_ process: UInt64) async {
        await expected()
        guard let state = hooks.withLock({ $0.toTell })() else { return }
        _ = await peers.ask(process, what: "drains", body: state.bytes)
        _ = await peers.ask(process, what: "limits")
        for (number, viewer) in viewers.withLock({ $0 }) {
            var writer = ReportWriter()
            writer.add(number)
            _ = await peers.ask(process, what: "calls", body: writer.bytes + viewer.body)
        }
    }

    /// Has the other processes fetch the limits that are in force here now.
    func tellLimits() async { _ = await ask("limits") }

    // MARK: The end

    /// Has the other processes end, because this one does; ``gone(before:)`` waits until they have heard it.
    ///
    /// One that is stopped finds it when it goes on, though nobody may be there any more.
    func end() {
        isTelling.store(true, ordering: .relaxed)
        Task {
            await expected()
            let state = hooks.withLock { $0.toTell }()
            _ = await peers.ask("end", body: state?.bytes ?? [], insists: true)
            isTelling.store(false, ordering: .relaxed)
        }
    }

    /// Waits until every other process that answers has gone.
    ///
    /// - Parameter deadline: How long at most, in monotonic nanoseconds.
    func gone(before deadline: UInt64) async {
        while SystemClock.now() < deadline,
            isTelling.load(ordering: .relaxed) || peers.processes.contains(where: \.answers)
        {
            try? await Task.sleep(for: Self.pause)
        }
    }

    // MARK: Viewers

    /// A viewer of calls.
    struct Viewer: Sendable {
        /// What is to be seen.
        var body: [UInt8]
        /// Gets the lines.
        var onLines: @Sendable ([UInt8]) -> Void
    }

    /// Has the other processes tell of their calls.
    ///
    /// - Parameters:
    ///   - body: What is to be seen.
    ///   - onLines: Gets whole lines.
    /// - Returns: What ``unwatch(_:)`` takes.
    func watch(_ body: [UInt8], onLines: @escaping @Sendable ([UInt8]) -> Void) async -> UInt64 {
        let number = numbers.add(1, ordering: .relaxed).newValue
        viewers.withLock { $0[number] = Viewer(body: body, onLines: onLines) }
        var writer = ReportWriter()
        writer.add(number)
        _ = await ask("calls", writer.bytes + body)
        return number
    }

    /// Wants no more of that.
    func unwatch(_ number: UInt64) {
        guard viewers.withLock({ $0.removeValue(forKey: number) }) != nil else { return }
        var writer = ReportWriter()
        writer.add(number)
        let body = writer.bytes
        Task { await peers.ask("calls-end", body: body) }
    }
}
