internal import Admin
internal import Calls
internal import Inspection
internal import Logging
internal import Policy
internal import Relay
internal import ServiceLifecycle
internal import Settings
internal import Synchronization
internal import UnixSignals

/// Reads the configuration file and the limits again: on SIGHUP, when a file has changed, when the admin API says so.
///
/// Limits take effect at once, as a whole or, with a mistake in any file, not at all. Other settings need a restart;
/// those that have changed are named.
struct Reloading: Service {
    /// The time between two looks at the files.
    private static let interval = Duration.seconds(1)

    private let options: SettingsOptions
    /// The files' stamps before they were first read.
    private let first: [FileStamp?]
    private let proxy: Proxy
    private let logger: Logger
    /// One reload after the other.
    private let turn = Turn()

    private actor Turn {
        /// The settings when they were last read.
        var settings: WeirSettings?

        func take(_ body: @Sendable (WeirSettings?) -> (WeirSettings?, AdminAnswer)) -> AdminAnswer {
            let (read, answer) = body(settings)
            if let read { settings = read }
            return answer
        }
    }

    /// - Parameters:
    ///   - options: Where the files are.
    ///   - first: What ``stamps(_:_:)`` said before they were read.
    ///   - proxy: What they are for.
    ///   - logger: Told of what is read.
    init(options: SettingsOptions, first: [FileStamp?], proxy: Proxy, logger: Logger) {
        self.options = options
        self.first = first
        self.proxy = proxy
        self.logger = logger
    }

    func run() async throws {
        proxy.reload.withLock { $0 = ReloadAction { await reload(because: "the admin API") } }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await watchSignals() }
            group.addTask { await watchFiles() }
        }
    }

    private func watchSignals() async {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            _ = await reload(because: "SIGHUP")
        }
    }

    /// Looks at the files by their names, so that a file in another's place, or a link that leads elsewhere, is seen.
    private func watchFiles() async {
        await cancelWhenGracefulShutdown {
            var stamps = first
            while (try? await Task.sleep(for: Self.interval)) != nil {
                let now = await self.stamps()
                guard now != stamps else { continue }
                stamps = now
                _ = await reload(because: "a changed file")
            }
        }
    }

    private func stamps() async -> [FileStamp?] {
        let settings = await turn.settings ?? proxy.settings
        return options.stamp + Self.stamps(of: settings, options)
    }

    /// The stamps of the files with limits.
    static func stamps(of settings: WeirSettings, _ options: SettingsOptions) -> [FileStamp?] {
        settings.limitsPaths(configuration: options.config).map { FileStamp(path: $0) }
    }

    // MARK: Reloading

    private func reload(because cause: String) async -> AdminAnswer {
        // A process that was taken over from has the limits of the newest, see `Proxy.followLimits`.
        if proxy.isFollowed.load(ordering: .relaxed) { return .problem(503, "another process has taken over") }
        let answer = await turn.take { last in read(last ?? proxy.settings, because: cause) }
        if answer.status == 200 { await proxy.others.tellLimits() }
        return answer
    }

    private func read(_ last: WeirSettings, because cause: String) -> (WeirSettings?, AdminAnswer) {
        let settings: WeirSettings
        do throws(SettingsFailure) {
            settings = try options.read()
            try put(options.limits(settings))
        } catch {
            proxy.reloads.withLock { $0.failed += 1 }
            for problem in error.problems { logger.error("not reloaded", metadata: ["problem": "\(problem)"]) }
            return (nil, .problem(400, "nothing was reloaded", details: error.problems))
        }
        proxy.reloads.withLock { $0.done += 1 }
        let changed = settings.keys(differingFrom: proxy.settings)
        let limits = proxy.limits.registry.current.limits.count
        logger.notice("reloaded", metadata: ["cause": "\(cause)", "limits": "\(limits)"])
        if settings != last, !changed.isEmpty {
            let keys = changed.joined(separator: " ")
            logger.warning("settings have changed that need a restart", metadata: ["keys": "\(keys)"])
        }
        return (settings, Self.answer(limits: limits, changed))
    }

    private func put(_ document: LimitsDocument) throws(SettingsFailure) {
        do throws(LimitSetError) {
            try proxy.limits.replace(document, text: nil)
        } catch {
            throw SettingsFailure(problems: [error.description])
        }
        proxy.sources.limitsChanged()
    }

    private static func answer(limits: Int, _ changed: [String]) -> AdminAnswer {
        var json = JSONText()
        json.beginObject()
        json.key("limits")
        json.number(limits)
        json.key("need_restart")
        json.beginArray()
        for key in changed { json.string(key) }
        json.endArray()
        json.endObject()
        json.endLine()
        return AdminAnswer(json)
    }
}
