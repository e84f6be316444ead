import Settings
import Testing

@Suite struct ProblemTests {
    @Test(
        "a wrong value is named with its place",
        arguments: [
            (
                "provider:\n  listen: foo",
                "weir.yaml:2:3: provider.listen: not an address: \"foo\"; HOST:PORT is expected"
            ),
            ("provider: {listen: \"foo:\"}", "weir.yaml:1:12: provider.listen: not an address: \"foo:\""),
            (
                "provider: {listen: \"foo:1\"}",
                "weir.yaml:1:12: provider.listen: an address to listen on cannot be a name: \"foo:1\""
            ),
            ("provider: {listen: 1.2.3.4:65536}", "weir.yaml:1:12: provider.listen: not an address: \"1.2.3.4:65536\""),
            ("provider: {listen: 1.2.3.256:1}", "weir.yaml:1:12: provider.listen: not an address: \"1.2.3.256:1\""),
            (
                "provider: {listen: \"::1:80\"}",
                "weir.yaml:1:12: provider.listen: not an address: \"::1:80\"; an IPv6 address is written as \"[::1]:16006\""
            ),
            (
                "provider: {upstream: \":80\"}",
                "weir.yaml:1:12: provider.upstream: an address to connect to needs a host: \":80\""
            ),
            (
                "provider: {upstream: \"a:0\"}",
                "weir.yaml:1:12: provider.upstream: an address to connect to needs a port: \"a:0\""
            ),
            ("provider: {enabled: maybe}", "weir.yaml:1:12: provider.enabled: not true or false: \"maybe\""),
            ("provider: {ports: [1, 0]}", "weir.yaml:1:23: provider.ports: not a port of 1...65535: \"0\""),
            ("provider: {ports: [65536]}", "weir.yaml:1:20: provider.ports: not a port of 1...65535: \"65536\""),
            ("provider: {ports: [7, 7]}", "weir.yaml:1:23: provider.ports: given twice: \"7\""),
            ("relay: {workers: 257}", "weir.yaml:1:9: relay.workers: not in 0...256: 257"),
            ("relay: {workers: -1}", "weir.yaml:1:9: relay.workers: not a whole number: \"-1\""),
            ("relay: {workers: 1e3}", "weir.yaml:1:9: relay.workers: not a whole number: \"1e3\""),
            ("relay: {workers: 007}", "weir.yaml:1:9: relay.workers: not in 0...256: 007"),
            (
                "relay: {workers: 99999999999999999999}",
                "weir.yaml:1:9: relay.workers: not in 0...256: 99999999999999999999"
            ),
            ("relay: {workers: }", "weir.yaml:1:9: relay.workers: needs a value"),
            ("relay: {workers: [1]}", "weir.yaml:1:9: relay.workers: must be a single value, found a list"),
            ("relay: {workers: {a: 1}}", "weir.yaml:1:9: relay.workers: must be a single value, found a mapping"),
            ("relay: {max-connections: 0}", "weir.yaml:1:9: relay.max-connections: not in 1...1000000: 0"),
            (
                "relay: {connect-timeout: 5}",
                "weir.yaml:1:9: relay.connect-timeout: needs a unit: \"5\"; write it as 500ms, 10s, 1m, 1h"
            ),
            (
                "relay: {connect-timeout: 5 s}",
                "weir.yaml:1:9: relay.connect-timeout: not a time: \"5 s\"; write it as 500ms, 10s, 1m, 1h"
            ),
            ("relay: {connect-timeout: 9ms}", "weir.yaml:1:9: relay.connect-timeout: not in 10ms...5m: 9ms"),
            ("relay: {connect-timeout: 301s}", "weir.yaml:1:9: relay.connect-timeout: not in 10ms...5m: 301s"),
            ("relay: {tcp-user-timeout: 999ms}", "weir.yaml:1:9: relay.tcp-user-timeout: not in 1s...1h: 999ms"),
            ("relay: {keepalive-idle: 1500ms}", "weir.yaml:1:9: relay.keepalive-idle: not in whole seconds: 1500ms"),
            ("relay: {keepalive-count: 128}", "weir.yaml:1:9: relay.keepalive-count: not in 1...127: 128"),
            (
                "relay: {read-buffer: 16KB}",
                "weir.yaml:1:9: relay.read-buffer: not a size: \"16KB\"; write it as 512B, 16KiB, 8MiB"
            ),
            ("relay: {read-buffer: 9MiB}", "weir.yaml:1:9: relay.read-buffer: not in 16KiB...8MiB: 9MiB"),
            (
                "relay: {read-buffer: 999999999999999GiB}",
                "weir.yaml:1:9: relay.read-buffer: not in 16KiB...8MiB: 999999999999999GiB"
            ),
            ("drain: {signal: loud}", "weir.yaml:1:9: drain.signal: not one of auto, none: \"loud\""),
            ("drain: {deadline: 3601s}", "weir.yaml:1:9: drain.deadline: not in 0s...1h: 3601s"),
            (
                "inspection: {call-timeout: off}",
                "weir.yaml:1:14: inspection.call-timeout: not a time: \"off\"; write it as 500ms, 10s, 1m, 1h"
            ),
            ("admin: {hosts: [a b]}", "weir.yaml:1:17: admin.hosts: not the name of a host: \"a b\""),
            ("admin: {hosts: [127.0.0.1]}", "weir.yaml:1:17: admin.hosts: not the name of a host: \"127.0.0.1\""),
            ("admin: {hosts: [\"a:1\"]}", "weir.yaml:1:17: admin.hosts: not the name of a host: \"a:1\""),
            ("admin: {token: short}", "weir.yaml:1:9: admin.token: must be 8...256 visible ASCII characters"),
            (
                "tracing: {endpoint: collector:4318}",
                "weir.yaml:1:11: tracing.endpoint: not an address: \"collector:4318\"; write it as http://HOST:PORT"
            ),
            (
                "tracing: {endpoint: \"http:///x\"}",
                "weir.yaml:1:11: tracing.endpoint: not an address: \"http:///x\"; write it as http://HOST:PORT"
            ),
            (
                "tracing: {endpoint: \"http://user:hunter22@h:1\"}",
                "weir.yaml:1:11: tracing.endpoint: an address must have no user and no password; headers may carry them"
            ),
            (
                "tracing: {endpoint: \"htp://user:hunter22@h:1\"}",
                "weir.yaml:1:11: tracing.endpoint: not an address; write it as http://HOST:PORT"
            ),
            (
                "tracing: {endpoint: \"http://h:99999/x\"}",
                "weir.yaml:1:11: tracing.endpoint: not an address: \"http://h:99999/x\"; write it as http://HOST:PORT"
            ),
            (
                "tracing: {endpoint: \"http://[::1:4318\"}",
                "weir.yaml:1:11: tracing.endpoint: not an address: \"http://[::1:4318\"; write it as http://HOST:PORT"
            ),
            ("tracing: {ratio: 1.5}", "weir.yaml:1:11: tracing.ratio: not in 0...1: 1.5"),
            ("tracing: {ratio: -1}", "weir.yaml:1:11: tracing.ratio: not a number: \"-1\"; write it as 0.01 or 10"),
            (
                "tracing: {ratio: 1.2.3}",
                "weir.yaml:1:11: tracing.ratio: not a number: \"1.2.3\"; write it as 0.01 or 10"
            ),
            ("tracing: {rate: 0}", "weir.yaml:1:11: tracing.rate: not in 0.001...1000000: 0"),
            ("tracing: {headers: [secret]}", "weir.yaml:1:21: tracing.headers: not a header; write it as NAME=VALUE"),
            (
                "tracing: {formats: [w3c]}",
                "weir.yaml:1:21: tracing.formats: not one of traceparent, uber-trace-id, b3, b3-multi: \"w3c\""
            ),
            (
                "propagate: {dubbo: inject}",
                "weir.yaml:1:13: propagate.dubbo: a context of Weir's own needs spans: set tracing.endpoint"
            ),
            (
                "tracing: {remote-sampling: http://a}",
                "weir.yaml:1:11: tracing.remote-sampling: there are no spans: set tracing.endpoint"
            ),
            ("metrics: {names: weir}", "weir.yaml:1:11: metrics.names: must be a list"),
            ("metrics: {names: []}", "weir.yaml:1:11: metrics.names: must have 1...8 items"),
            (
                "metrics:\n  names:\n    - weir\n    - bogus",
                "weir.yaml:4:7: metrics.names: not one of weir, dubbo: \"bogus\""
            ),
            ("metrics: {names: [weir, weir]}", "weir.yaml:1:25: metrics.names: given twice: \"weir\""),
            ("redact: [a, [b]]", "weir.yaml:1:13: redact: must be a list of texts, found a list"),
            ("redact: [\"\"]", "weir.yaml:1:10: redact: not a name of 1...128 visible ASCII characters: \"\""),
            ("redact: {a: b}", "weir.yaml:1:1: redact: must be a list, found a mapping"),
            (
                "log: {level: loud}",
                "weir.yaml:1:7: log.level: not one of trace, debug, info, notice, warning, error: \"loud\""
            ),
            (
                "log: {calls: stdout, calls-filter: [outcome=error, colour]}",
                "weir.yaml:1:52: log.calls-filter: not NAME=VALUE with a name of interface, method, outcome, min_ms, side, "
                    + "protocol, caller, code: \"colour\""
            ),
            (
                "log: {calls: stdout, calls-filter: [min_ms=x]}",
                "weir.yaml:1:37: log.calls-filter: min_ms: takes milliseconds from 0 to 86400000, with at most six digits "
                    + "after the point"
            ),
            (
                "log: {calls: stdout, calls-filter: [outcome=error, method=/(/]}",
                "weir.yaml:1:52: log.calls-filter: method: missing closing parenthesis at offset 1"
            ),
            (
                "log: {calls: stdout, calls-filter: [min_ms=1, min_ms=2]}",
                "weir.yaml:1:22: log.calls-filter: min_ms: given twice"
            ),
            ("log: {calls-sample: 0.5}", "weir.yaml:1:7: log.calls-sample: means nothing without log.calls"),
            ("log: {format: \"a\\tb\\e[0m\"}", "weir.yaml:1:7: log.format: not one of text, json: \"a?b?[0m\""),
        ]
    )
    func value(text: String, expected: String) {
        #expect(problems(text) == [expected])
    }

    @Test(
        "an unknown key comes with the nearest known one",
        arguments: [
            (
                "relay:\n  max_connections: 1",
                "weir.yaml:2:3: relay.max_connections: unknown key, did you mean \"max-connections\"?"
            ),
            ("relay:\n  wrokers: 1", "weir.yaml:2:3: relay.wrokers: unknown key, did you mean \"workers\"?"),
            ("provder:\n  listen: x", "weir.yaml:1:1: provder: unknown key, did you mean \"provider\"?"),
            ("Redact: []", "weir.yaml:1:1: Redact: unknown key, did you mean \"redact\"?"),
            ("listen: x", "weir.yaml:1:1: listen: unknown key here, did you mean \"provider.listen\"?"),
            ("log.level: info", "weir.yaml:1:1: log.level: unknown key, write \"level\" inside the mapping \"log\""),
            (
                "log: {zzzz: 1}",
                "weir.yaml:1:7: log.zzzz: unknown key, known are level, format, calls, calls-filter, calls-sample"
            ),
            (
                "log: {\"\": 1}",
                "weir.yaml:1:7: log.: unknown key, known are level, format, calls, calls-filter, calls-sample"
            ),
        ]
    )
    func unknown(text: String, expected: String) {
        #expect(problems(text) == [expected])
    }

    @Test(
        "a text of the wrong shape is refused with its place",
        arguments: [
            ("[a]", "weir.yaml:1:1: must be a mapping of sections, found a list"),
            ("hello", "weir.yaml:1:1: must be a mapping of sections, found a single value"),
            ("log: loud", "weir.yaml:1:1: log: must be a mapping of settings, found a single value"),
            ("log: \"\"", "weir.yaml:1:1: log: must be a mapping of settings, found a single value"),
            ("log: [level]", "weir.yaml:1:1: log: must be a mapping of settings, found a list"),
            ("log:\n  level: info\n  level: debug", "weir.yaml:3:3: log.level: given twice, first in line 2"),
            ("log: {level: info}\nlog: {format: json}", "weir.yaml:2:1: log: given twice, first in line 1"),
            ("log: {level: info}\n---\nlog: {}", "weir.yaml:2:1: a second document, only one is taken"),
            ("log: &a {level: info}", "weir.yaml:1:6: log: anchors (&) are not taken"),
            ("log: {level: *a}", "weir.yaml:1:14: log.level: aliases (*) are not taken"),
            ("log: *a", "weir.yaml:1:6: log: aliases (*) are not taken"),
            ("*a : 1", "weir.yaml:1:1: aliases (*) are not taken"),
            ("log: {level: !!str info}", "weir.yaml:1:14: log.level: tags (!) are not taken"),
            ("? [log]\n: x", "weir.yaml:1:3: a key must be a text"),
            ("? {log: x}\n: [y]", "weir.yaml:1:3: a key must be a text"),
            (
                "log: {level: info",
                "weir.yaml:2:1: log: did not find expected ',' or '}', while parsing a flow mapping that starts in line 1"
            ),
            (
                "log:\n\tlevel: info",
                "weir.yaml:2:1: log: found character that cannot start any token, while scanning for the next token that starts in line 2"
            ),
        ]
    )
    func shape(text: String, expected: String) {
        #expect(problems(text) == [expected])
    }

    @Test("bytes that are no UTF-8 are placed by line and column") func encoding() {
        let loader = SettingsLoader(file: SettingsFile(name: "f", bytes: Array("log:\n  lüvel".utf8) + [0xff, 0x0a]))
        #expect(throws: ConfigurationProblems.self) { try loader.load() }
        do throws(ConfigurationProblems) { _ = try loader.load() } catch {
            #expect(error.description == "f:2:8: invalid leading UTF-8 octet")
        }
    }

    @Test("an IPv6 address without quotes is explained") func unquotedAddress() {
        let found = problems("provider:\n  listen: [::]:16006\n")
        let hint = "must be a single value, found a list, an IPv6 address needs quotes: \"[::1]:16006\""
        #expect(found.first == "weir.yaml:2:3: provider.listen: \(hint)")
        #expect(problems("admin: {metrics-listen: [a, [b]]}") == ["weir.yaml:1:9: admin.metrics-listen: \(hint)"])
        #expect(problems("log: {level: [[b]]}") == ["weir.yaml:1:7: log.level: must be a single value, found a list"])
    }

    @Test("all problems of a file are reported together, in the order of the text") func together() {
        let text = """
            provider:
              listen: foo
              upstrem: 127.0.0.1:1
            log:
              level: loud
              level: louder
            relay:
              workers: many
              connect-timeout: 5
            redact: [ok, "", also, ""]
            nonsense: 1
            """
        #expect(
            problems(text) == [
                "weir.yaml:2:3: provider.listen: not an address: \"foo\"; HOST:PORT is expected",
                "weir.yaml:3:3: provider.upstrem: unknown key, did you mean \"upstream\"?",
                "weir.yaml:5:3: log.level: not one of trace, debug, info, notice, warning, error: \"loud\"",
                "weir.yaml:6:3: log.level: given twice, first in line 5",
                "weir.yaml:8:3: relay.workers: not a whole number: \"many\"",
                "weir.yaml:9:3: relay.connect-timeout: needs a unit: \"5\"; write it as 500ms, 10s, 1m, 1h",
                "weir.yaml:10:14: redact: not a name of 1...128 visible ASCII characters: \"\"",
                "weir.yaml:10:24: redact: not a name of 1...128 visible ASCII characters: \"\"",
                "weir.yaml:11:1: nonsense: unknown key, known are provider, consumer, relay, inspection, admin, metrics, tracing, propagate, drain, takeover, log, limits, redact",
            ]
        )
    }

    @Test("what stands before a syntax error is looked at too") func beforeSyntaxError() {
        let found = problems("log:\n  level: loud\nrelay: ]\n")
        #expect(found.count == 2)
        #expect(
            found.first == "weir.yaml:2:3: log.level: not one of trace, debug, info, notice, warning, error: \"loud\""
        )
        #expect(found.last?.hasPrefix("weir.yaml:3:8: ") == true, "\(found)")
    }

    @Test(
        "contradictions are problems",
        arguments: [
            (
                "provider: {enabled: false}",
                ["weir.yaml:1:12: provider.enabled: neither side is on, there is nothing to do"]
            ),
            (
                "provider:\nconsumer:\n  listen: 127.0.0.1:16006",
                ["weir.yaml:3:3: consumer.listen: 127.0.0.1:16006 is already taken by provider.listen ([::]:16006)"]
            ),
            (
                "admin: {listen: 127.0.0.1:16006}",
                ["weir.yaml:1:9: admin.listen: 127.0.0.1:16006 is already taken by provider.listen ([::]:16006)"]
            ),
            (
                "provider: {listen: \":16080\"}",
                ["weir.yaml:1:12: provider.listen: [::]:16080 is already taken by admin.listen (localhost:16080)"]
            ),
            (
                "admin: {metrics-listen: \"0.0.0.0:16080\"}",
                [
                    "weir.yaml:1:9: admin.metrics-listen: 0.0.0.0:16080 is already taken by admin.listen (localhost:16080)"
                ]
            ),
            (
                "provider: {upstream: localhost:16006}",
                ["weir.yaml:1:12: provider.upstream: localhost:16006 leads back to provider.listen ([::]:16006)"]
            ),
            (
                "provider: {listen: 10.0.0.1:5, upstream: 10.0.0.1:5}",
                ["weir.yaml:1:32: provider.upstream: 10.0.0.1:5 leads back to provider.listen (10.0.0.1:5)"]
            ),
            (
                "provider: {upstream: 127.0.0.1:16001}\nconsumer: {upstream: \"[::1]:16006\"}",
                ["weir.yaml:2:12: consumer.upstream: the sides are each other's upstream"]
            ),
            (
                "admin: {listen: \":16080\"}",
                [
                    "weir.yaml:1:9: admin.listen: [::]:16080 is not on loopback: what is asked there needs admin.token "
                        + "(for scraping alone use admin.metrics-listen)"
                ]
            ),
        ]
    )
    func contradiction(text: String, expected: [String]) {
        #expect(problems(text) == expected)
    }

    @Test(
        "what does not contradict is taken",
        arguments: [
            "provider: {listen: 127.0.0.1:0}\nconsumer: {listen: 127.0.0.1:0}\nadmin: {listen: 127.0.0.1:0}",
            "provider: {listen: 10.0.0.1:7}\nconsumer: {listen: 10.0.0.2:7}",
            "provider: {listen: 0.0.0.0:7}\nconsumer: {listen: \"[::1]:7\"}",
            "provider: {upstream: 10.9.9.9:16006}",
            "provider:\nconsumer: {upstream: 127.0.0.1:16006}",
            "consumer: {listen: \":16006\"}",
            "admin: {listen: \"[::ffff:127.0.0.1]:1\"}",
            "admin: {listen: \"[::1]:1\"}",
            "admin: {listen: localhost:1}",
            "admin: {listen: 10.0.0.1:1, token: abcdefgh}",
        ]
    )
    func noContradiction(text: String) {
        #expect(problems(text) == [])
    }

    @Test("a wrong value does not bring contradictions with its default") func noFollowUp() {
        #expect(problems("provider: {listen: foo, upstream: 127.0.0.1:16006}").count == 1)
        #expect(problems("admin: {listen: 10.0.0.1:1, token: x}").count == 1)
        #expect(problems("provider: {enabled: maybe}\nconsumer: {enabled: false}").count == 1)
    }
}
