import Policy
import Settings
import Testing

@Suite struct DefaultsTests {
    @Test("nothing given means the documented defaults") func defaults() throws {
        for text in [nil, "", "# only a comment\n", "---\n...\n", "~", "\u{feff}"] {
            #expect(try load(text).get() == WeirSettings())
        }
        let settings = WeirSettings()
        #expect(settings.provider.isEnabled)
        #expect(!settings.consumer.isEnabled)
        #expect(settings.provider.listen.description == "[::]:16006")
        #expect(settings.consumer.listen.description == "[::]:16001")
        #expect(settings.provider.upstream == nil && settings.providerPorts.isEmpty)
        #expect(settings.relay.workers == 0)
        #expect(settings.relay.maxConnections == 20_000)
        #expect(settings.relay.connectTimeout == .seconds(5))
        #expect(settings.relay.tcpUserTimeout == nil)
        #expect(settings.relay.keepaliveIdle == .seconds(60))
        #expect(
            settings.drain.deadline == .seconds(10) && settings.drain.grace == .seconds(3) && settings.drain.qos == nil
                && settings.drain.signal.rawValue == "auto" && !settings.drain.givesClosing
        )
        #expect(settings.takeover.deadline == nil)
        #expect(settings.inspection.isEnabled)
        #expect(settings.inspection.callTimeout == .seconds(60))
        #expect(settings.inspection.maxOperations == 2_000)
        #expect(settings.inspection.maxCalls == 100_000)
        #expect(settings.inspection.maxTombstones == 10_000 && settings.inspection.jsonrpcPaths.isEmpty)
        #expect(settings.inspection.mcpNames)
        #expect(settings.admin.listen.description == "localhost:16080")
        #expect(settings.admin.metricsListen == nil)
        #expect(settings.admin.token == nil)
        #expect(settings.admin.hosts == [] && settings.admin.probesListen == nil)
        #expect(!settings.admin.stuckFailsHealth)
        #expect(settings.metrics.names == [.weir])
        #expect(!settings.metrics.callers && settings.metrics.exemplars && settings.metrics.application == nil)
        #expect(settings.tracing.endpoint == nil && settings.tracing.transport == .http)
        #expect(settings.tracing.parentBased && settings.tracing.ratio == 1 && settings.tracing.rate == 10)
        #expect(settings.tracing.formats == [.traceparent, .uberTraceID, .b3, .b3Multi])
        #expect(!settings.tracing.keepErrors && settings.tracing.keepSlower == nil)
        #expect(settings.propagate.dubbo == .read && settings.propagate.formats == [.traceparent])
        #expect(settings.redact == ["token", "authorization", "password"])
        #expect(settings.log.level == .info)
        #expect(settings.log.format == .text)
        #expect(settings.log.calls == nil && settings.log.callsFilter.isEmpty && settings.log.callsSample == 1)
    }

    @Test("every key is read from the file") func everyKey() throws {
        let settings = try load(fullText).get()
        #expect(settings.provider.isEnabled)
        #expect(settings.provider.listen == NetworkAddress(host: .ipv6(1), port: 26006))
        #expect(settings.provider.upstream == NetworkAddress(host: .name("app.internal"), port: 20880))
        #expect(settings.providerPorts == [20880, 50051])
        #expect(settings.consumer.isEnabled)
        #expect(settings.consumer.listen == NetworkAddress(host: .ipv4(0), port: 26001))
        #expect(settings.consumer.upstream?.description == "[2001:db8::7]:20881")
        #expect(settings.relay.workers == 3)
        #expect(settings.relay.maxConnections == 500)
        #expect(settings.relay.connectTimeout == .milliseconds(250))
        #expect(settings.relay.tcpUserTimeout == .seconds(60))
        #expect(settings.relay.keepaliveIdle == .seconds(120))
        #expect(settings.relay.keepaliveInterval == .seconds(5))
        #expect(settings.relay.keepaliveCount == 9)
        #expect(settings.relay.readBufferBytes == 1 << 20)
        #expect(settings.drain.deadline == .seconds(3600) && settings.drain.grace == .milliseconds(500))
        #expect(settings.drain.qos?.description == "127.0.0.1:22222")
        #expect(settings.takeover.deadline == .seconds(3600))
        #expect(settings.drain.signal.rawValue == "none" && settings.drain.givesClosing)
        #expect(!settings.inspection.isEnabled)
        #expect(settings.inspection.callTimeout == .milliseconds(1500))
        #expect(settings.inspection.maxOperations == 17)
        #expect(settings.inspection.maxCalls == 18)
        #expect(settings.inspection.maxTombstones == 0)
        #expect(settings.inspection.jsonrpcPaths == ["/rpc", "/api/*"])
        #expect(!settings.inspection.mcpNames)
        #expect(settings.admin.listen.description == "10.0.0.1:26080")
        #expect(settings.admin.metricsListen?.description == "[::]:26081")
        #expect(settings.admin.token == "a-secret#token")
        #expect(settings.admin.hosts == ["weir.internal", "b"])
        #expect(settings.admin.probesListen?.description == "localhost:26082")
        #expect(settings.admin.stuckFailsHealth)
        #expect(settings.metrics.names == [.dubbo, .weir] && settings.metrics.application == "shop")
        #expect(settings.metrics.callers && !settings.metrics.exemplars)
        let tracing = settings.tracing
        #expect(tracing.endpoint == "https://collector.internal:4317/x" && tracing.transport == .grpc)
        #expect(tracing.headers == ["x-key=a-secret#token"] && tracing.caFile == "/etc/ssl/ca.pem")
        #expect(tracing.compression == .none && tracing.timeout == .seconds(3))
        #expect(tracing.queue == 100 && tracing.batch == 64 && tracing.serviceName == "the shop")
        #expect(tracing.names == .both && tracing.formats == [.b3, .traceparent])
        #expect(tracing.attachments == ["user_level", "tenant"])
        #expect(!tracing.parentBased && tracing.ratio == 0.25 && tracing.rate == 0.5)
        #expect(tracing.remoteSampling == "http://127.0.0.1:5778/sampling" && tracing.remoteInterval == .seconds(10))
        #expect(tracing.keepErrors && tracing.keepSlower == .milliseconds(200) && tracing.keepRate == 7)
        let propagate = settings.propagate
        #expect(propagate.dubbo == .inject && propagate.triple == .inject && propagate.jsonrpc == .inject)
        #expect(propagate.formats == [.uberTraceID, .traceparent])
        #expect(settings.limits == ["limits.yaml", "more/limits.yaml"])
        #expect(settings.redact == ["token", "x-user"])
        #expect(settings.log.level == .trace)
        #expect(settings.log.format == .json)
        #expect(settings.log.calls == "/var/log/calls.json" && settings.log.callsSample == 0.125)
        #expect(settings.log.callsFilter == ["outcome=error", "min_ms=2.5"])
    }

    @Test("every key is read from the environment and from flags, and the text above names every key")
    func everySource() throws {
        let settings = try load(fullText).get()
        let shown = settings.yamlText.replacing("***", with: "a-secret#token")
        #expect(try load(shown).get() == settings)
        var environment: [String: String] = [:]
        var flags: [(String, String)] = []
        var section = ""
        for line in shown.split(separator: "\n") {
            let parts = line.split(separator: ": ", maxSplits: 1)
            guard parts.count == 2 else {
                section = String(line.dropLast()) + "."
                continue
            }
            if !line.hasPrefix(" ") { section = "" }
            let path = section + parts[0].filter { $0 != " " }
            let reference = try #require(SettingReference.all.first { $0.keyPath == path })
            #expect(
                reference.defaultText != parts[1] || path == "provider.enabled",
                "\(path)"
            )
            let text = parts[1].filter {
                !"\"'[]".contains($0) || path.hasSuffix("listen") || path.hasSuffix("upstream")
            }
            let plain = text.filter { $0 != "\"" }
            environment[reference.environmentName] = plain
            flags.append((path, plain))
        }
        #expect(flags.count == SettingReference.all.count)
        #expect(try load(environment: environment).get() == settings)
        #expect(try load(flags: flags).get() == settings)
    }

    @Test("what is shown of a setting is taken from the environment and from flags as it stands")
    func shownForms() throws {
        let oddText = """
            provider: {upstream: "[2001:db8::7]:20880"}
            metrics: {application: "it's: [a], \\"b\\""}
            tracing: {endpoint: "http://a", headers: ["a=b, c", "d='e'"], service-name: "'"}
            limits: ["a, b.yaml", "[c].yaml", 'd"e.yaml']
            redact: []

            """
        for text in ["", fullText, oddText] {
            let settings = try load(text).get()
            var environment: [String: String] = [:]
            var flags: [(String, String)] = []
            var section = ""
            for line in settings.yamlText.split(separator: "\n") {
                let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
                let shown = parts[1].dropFirst()
                guard !shown.isEmpty else {
                    section = parts[0] + "."
                    continue
                }
                let path = line.hasPrefix(" ") ? section + parts[0].dropFirst(2) : String(parts[0])
                let reference = try #require(SettingReference.all.first { $0.keyPath == path }, "\(path)")
                // What is secret is not shown.
                let value = Self.secrets(settings)[path] ?? String(shown)
                environment[reference.environmentName] = value
                flags.append((path, value))
            }
            #expect(flags.count == SettingReference.all.count)
            #expect(try load(environment: environment).get() == settings)
            #expect(try load(flags: flags).get() == settings)
        }
    }

    private static func secrets(_ settings: WeirSettings) -> [String: String] {
        let headers = settings.tracing.headers.map { "'\($0.replacing("'", with: "''"))'" }
        return [
            "admin.token": settings.admin.token ?? "off",
            "tracing.headers": "[\(headers.joined(separator: ", "))]",
        ]
    }

    @Test("the defaults can be shown and read back, and every key says what it means") func reference() throws {
        #expect(try load(WeirSettings().yamlText).get() == WeirSettings())
        #expect(SettingReference.all.allSatisfy { !$0.help.isEmpty && $0.help.utf8.count < 100 })
        let names = Set(SettingReference.all.map(\.environmentName))
        #expect(names.count == SettingReference.all.count)
        #expect(names.contains("WEIR_RELAY_MAX_CONNECTIONS"))
        #expect(SettingReference.all.first { $0.keyPath == "relay.read-buffer" }?.defaultText == "256KiB")
    }

    @Test("the token is never shown") func secret() throws {
        let text = try load("admin: {token: 12345678}").get().yamlText
        #expect(text.contains("token: \"***\""))
        #expect(!text.contains("12345678"))
        #expect(!problems("admin: {token: \"sec ret9\"}").joined().contains("ret9"))
    }

    @Test("a side is on when anything is said about it")
    func sides() throws {
        let cases: [(String?, [(String, String)], provider: Bool, consumer: Bool)] = [
            (nil, [], true, false),
            ("log: {level: info}", [], true, false),
            ("consumer:\n", [], false, true),
            ("consumer: {}\n", [], false, true),
            ("provider:\nconsumer:\n", [], true, true),
            ("consumer:\n  enabled: false\n", [], true, false),
            ("provider: {enabled: false}\nconsumer:\n", [], false, true),
            ("consumer:\n", [("provider.upstream", "127.0.0.1:20880")], true, true),
            ("consumer:\nprovider:\n", [("provider.enabled", "false")], false, true),
            (nil, [("consumer.listen", "127.0.0.1:1")], false, true),
        ]
        for (text, flags, provider, consumer) in cases {
            let settings = try load(text, flags: flags).get()
            #expect(settings.provider.isEnabled == provider, "\(text ?? "") \(flags)")
            #expect(settings.consumer.isEnabled == consumer, "\(text ?? "") \(flags)")
        }
    }

    @Test("workers follow processors and cgroup, at most 4, unless set") func workers() throws {
        let automatic = WeirSettings().relay
        #expect(automatic.workerCount(processors: 16, cgroupLimit: nil) == 4)
        #expect(automatic.workerCount(processors: 2, cgroupLimit: nil) == 2)
        #expect(automatic.workerCount(processors: 8, cgroupLimit: 1) == 1)
        #expect(automatic.workerCount(processors: 0, cgroupLimit: 0) == 1)
        #expect(try load("relay: {workers: 9}").get().relay.workerCount(processors: 1, cgroupLimit: 1) == 9)
        #expect(ProcessFacts.processors >= 1)
        #expect(ProcessFacts.cgroupLimit ?? 1 >= 1)
        let limits = [
            "max 100000\n": nil, "150000 100000\n": 2, "100000 100000": 1, "1 100000": 1, "": nil, "x y": nil,
            "5 0": nil,
        ]
        for (text, limit) in limits {
            #expect(ProcessFacts.processors(cpuMax: text) == limit, "\(text)")
        }
        #expect(
            ProcessFacts.processors(status: "Name:\tx\nCpus_allowed:\tff,0000000f\nCpus_allowed_list:\t0-3\n") == 12
        )
        #expect(ProcessFacts.processors(status: "") == 0)
    }
}
