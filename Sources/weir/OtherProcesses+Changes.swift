internal import Calls
internal import Clocks
internal import Relay
internal import Synchronization
internal import Telemetry

/// Commands to the other processes.
extension OtherProcesses {
    /// The effects of messages of others on this process.
    struct Hooks: Sendable {
        /// Takes what the process before had been told over its admin API.
        var adopt: @Sendable ([UInt8]) -> Void = { _ in }
        /// The state that the others copy.
        var toTell: @Sendable () -> HandedOver? = { nil }
    }

    /// The time between two checks for a process that has gone.
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
        for (number, subscriber) in subscribers.withLock({ $0 }) {
            var writer = ReportWriter()
            writer.add(number)
            _ = await peers.ask(process, what: "calls", body: writer.bytes + subscriber.body)
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
    /// - Parameter deadline: The end of the wait, in monotonic nanoseconds.
    func gone(before deadline: UInt64) async {
        while SystemClock.now() < deadline,
            isTelling.load(ordering: .relaxed) || peers.processes.contains(where: \.answers)
        {
            try? await Task.sleep(for: Self.pause)
        }
    }

    // MARK: RemoteSubscribers

    /// A subscriber of calls.
    struct RemoteSubscriber: Sendable {
        /// The wanted calls.
        var body: [UInt8]
        /// Gets the lines.
        var onLines: @Sendable ([UInt8]) -> Void
    }

    /// Has the other processes tell of their calls.
    ///
    /// - Parameters:
    ///   - body: What is to be seen.
    ///   - onLines: Gets whole lines.
    /// - Returns: The number for ``unsubscribe(_:)``.
    func subscribe(_ body: [UInt8], onLines: @escaping @Sendable ([UInt8]) -> Void) async -> UInt64 {
        let number = numbers.add(1, ordering: .relaxed).newValue
        subscribers.withLock { $0[number] = RemoteSubscriber(body: body, onLines: onLines) }
        var writer = ReportWriter()
        writer.add(number)
        _ = await ask("calls", writer.bytes + body)
        return number
    }

    /// Wants no more of that.
    func unsubscribe(_ number: UInt64) {
        guard subscribers.withLock({ $0.removeValue(forKey: number) }) != nil else { return }
        var writer = ReportWriter()
        writer.add(number)
        let body = writer.bytes
        Task { await peers.ask("calls-end", body: body) }
    }
}
