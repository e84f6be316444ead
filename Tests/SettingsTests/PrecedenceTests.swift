import Settings
import Testing

@Suite struct PrecedenceTests {
    @Test("flags win over the environment, the environment over the file") func order() throws {
        let text = "relay: {workers: 1}\nlog: {level: error}\nredact: [a]"
        let environment = ["WEIR_RELAY_WORKERS": "2", "WEIR_LOG_LEVEL": "debug", "WEIR_REDACT": "b, c"]
        let flags = [("relay.workers", "3"), ("relay.workers", "4")]
        #expect(try load(text).get().relay.workers == 1)
        let second = try load(text, environment: environment).get()
        #expect(second.relay.workers == 2)
        #expect(second.log.level == .debug)
        #expect(second.redact == ["b", "c"])
        let third = try load(text, environment: environment, flags: flags).get()
        #expect(third.relay.workers == 4)
        #expect(third.log.level == .debug)
    }

    @Test("a list in brackets, a text in quotes, and what only looks like them")
    func forms() throws {
        for text in [
            "weir,dubbo", "weir, dubbo", "[weir, dubbo]", "[weir,dubbo]", "['weir', \"dubbo\"]", "[weir, dubbo] ",
        ] {
            #expect(try load(flags: [("metrics.names", text)]).get().metrics.names == [.weir, .dubbo], "\(text)")
        }
        #expect(try load(flags: [("redact", "[]")]).get().redact.isEmpty)
        #expect(try load(flags: [("redact", "a,[b]")]).get().redact == ["a", "[b]"])
        for text in ["[weir, dubbo", "[weir] dubbo", "[[weir]]", "[{a: b}]", "[*a]"] {
            let reason = "--metrics.names: metrics.names: not a list: \"\(text)\"; write it as a,b or [a, b]"
            #expect(problems(flags: [("metrics.names", text)]) == [reason])
        }
        #expect(problems(flags: [("metrics.names", "[weir, bogus]")]).count == 1)
        for (text, name) in [("'a b'", "a b"), ("\"a\"", "a"), ("'it''s'", "it's"), ("'a", "'a"), ("a'b'", "a'b'")] {
            #expect(try load(flags: [("metrics.application", text)]).get().metrics.application == name)
        }
        // A secret is taken as it is.
        #expect(try load(flags: [("admin.token", "\"12345678\"")]).get().admin.token == "\"12345678\"")
    }

    @Test("off takes back what the file says") func off() throws {
        let text = "provider: {upstream: 10.0.0.1:1}\nrelay: {tcp-user-timeout: 5s}"
        let settings = try load(
            text,
            environment: ["WEIR_PROVIDER_UPSTREAM": "off"],
            flags: [("relay.tcp-user-timeout", "off"), ("relay.keepalive-idle", "off")]
        ).get()
        #expect(settings.provider.upstream == nil)
        #expect(settings.relay.tcpUserTimeout == nil)
        #expect(settings.relay.keepaliveIdle == nil)
        #expect(try load("relay: {keepalive-idle: ~}").get().relay.keepaliveIdle == nil)
    }

    @Test("problems name the variable or flag they came from, and all sources are reported") func sources() {
        let found = problems(
            "relay: {workers: x}",
            environment: ["WEIR_RELAY_WORKERS": "y", "WEIR_ADMIN_LISTEN": "z"],
            flags: [("relay.workers", "w"), ("relay.worker", "1"), ("zzz", "1")]
        )
        #expect(
            found == [
                "weir.yaml:1:9: relay.workers: not a whole number: \"x\"",
                "WEIR_ADMIN_LISTEN: admin.listen: not an address: \"z\"; HOST:PORT is expected",
                "WEIR_RELAY_WORKERS: relay.workers: not a whole number: \"y\"",
                "--relay.workers: relay.workers: not a whole number: \"w\"",
                "--relay.worker: relay.worker: no such setting, did you mean \"relay.workers\"?",
                "--zzz: zzz: no such setting",
            ]
        )
        let loop = problems(flags: [("provider.upstream", "127.0.0.1:16006")])
        #expect(
            loop == [
                "--provider.upstream: provider.upstream: 127.0.0.1:16006 leads back to provider.listen ([::]:16006)"
            ]
        )
        #expect(problems(flags: [("redact", "a,a")]) == ["--redact: redact: given twice: \"a\""])
        #expect(problems(flags: [("redact", "")]) == [])
        #expect(problems(flags: [("metrics.names", "")]) == ["--metrics.names: metrics.names: must have 1...8 items"])
    }

    @Test("unknown variables are problems when they are meant for Weir") func unknownVariables() {
        #expect(
            problems(environment: ["WEIR_RELAY_WORKER": "1"]) == [
                "WEIR_RELAY_WORKER: no such setting, did you mean WEIR_RELAY_WORKERS?"
            ]
        )
        #expect(
            problems(environment: ["WEIR_LOGLEVEL": "1"]) == [
                "WEIR_LOGLEVEL: no such setting, did you mean WEIR_LOG_LEVEL?"
            ]
        )
        #expect(problems(environment: ["WEIR_ADMIN_COLOUR": "1"]) == ["WEIR_ADMIN_COLOUR: no such setting"])
        let harmless = [
            "WEIR_CORPUS", "WEIR_CONFIG", "WEIR_SERVICE_HOST", "WEIR_PORT", "WEIR_PORT_16006_TCP_ADDR",
            "WEIR_ADMIN_SERVICE_PORT",
            "WEIR_ADMIN_SERVICE_PORT_HTTP", "WEIR_ADMIN_PORT", "PATH", "OTHER_RELAY_WORKER",
        ]
        #expect(problems(environment: Dictionary(uniqueKeysWithValues: harmless.map { ($0, "tcp://x") })) == [])
        #expect(problems(environment: ["WEIR_LOG_LEVEL": ""]) == [])
    }

    @Test("the process's own variables can be read") func environment() {
        #expect(ProcessFacts.weirVariables.keys.allSatisfy { $0.hasPrefix("WEIR_") })
    }
}
