import Calls
import Glibc
import Policy
import Settings
import Testing

private func read(_ text: String) -> Result<LimitsDocument, ConfigurationProblems> {
    do throws(ConfigurationProblems) {
        return .success(try LimitsFile.read(text: text, path: "limits.yaml"))
    } catch {
        return .failure(error)
    }
}

private func said(_ text: String) -> [String] {
    switch read(text) {
    case .success: []
    case .failure(let problems): problems.problems.map(\.description)
    }
}

private func first(_ fields: String) throws -> LimitDefinition {
    let text = "limits:\n  - {name: a, limit: 5, window: 1s, \(fields)}"
    return try #require(try read(text).get().definitions.first)
}

/// A line for each thing that can be wrong with a limit in line 2, and what is said about it.
private let wrongFields: [(String, String)] = [
    ("{limit: 1, window: 1s}", "2:5: limits[0]: needs a name"),
    (
        "{name: a b, limit: 1, window: 1s}",
        "2:6: limits[0].name: not a name of 1...64 letters, digits, \".\", \"_\" and \"-\": \"a b\""
    ),
    ("{name: , limit: 1, window: 1s}", "2:6: limits[0].name: needs a value"),
    ("{name: [a], limit: 1, window: 1s}", "2:6: limits[0].name: must be a single value, found a list"),
    ("{name: a, window: 1s}", "2:5: limits[0]: sliding_window needs limit"),
    ("{name: a, limit: 1}", "2:5: limits[0]: sliding_window needs window"),
    ("{name: a, limit: 0, window: 1s}", "2:15: limits[0].limit: not in 1...1000000000: 0"),
    ("{name: a, limit: many, window: 1s}", "2:15: limits[0].limit: not a whole number: \"many\""),
    ("{name: a, limit: 1, window: 5}", "2:25: limits[0].window: needs a unit: \"5\"; write it as 500ms, 10s, 1m, 1h"),
    ("{name: a, limit: 1, window: 25h}", "2:25: limits[0].window: not in 1ms...24h: 25h"),
    ("{name: a, limit: 1, window: 0ms}", "2:25: limits[0].window: not in 1ms...24h: 0ms"),
    ("{name: a, limit: 1, window: 1s, windwo: 2s}", "2:37: limits[0].windwo: unknown key, did you mean \"window\"?"),
    ("{name: a, limit: 1, window: 1s, max-key: 2}", "2:37: limits[0].max-key: unknown key, did you mean \"max_keys\"?"),
    (
        "{name: a, limit: 1, window: 1s, zzz: 2}",
        "2:37: limits[0].zzz: unknown key, known are name, match, per, max_keys, algorithm, limit, window, rate, burst, mode, reject"
    ),
    ("{name: a, limit: 1, window: 1s, rate: 2}", "2:37: limits[0].rate: means nothing with sliding_window"),
    (
        "{name: a, limit: 1, window: 1s, algorithm: gcra}",
        "2:37: limits[0].algorithm: not one of sliding_window, fixed_window, token_bucket, concurrency: \"gcra\""
    ),
    (
        "{name: a, algorithm: concurrency, limit: 1, window: 1s}",
        "2:49: limits[0].window: means nothing with concurrency"
    ),
    ("{name: a, algorithm: concurrency, limit: 1000001}", "2:39: limits[0].limit: not in 1...1000000: 1000001"),
    ("{name: a, algorithm: token_bucket, rate: 5}", "2:5: limits[0]: token_bucket needs burst"),
    (
        "{name: a, algorithm: token_bucket, rate: 5/d, burst: 1}",
        "2:40: limits[0].rate: not a rate: \"5/d\"; write it as 100, 100/s, 5000/m, 20000/h"
    ),
    ("{name: a, algorithm: token_bucket, rate: 0, burst: 1}", "2:40: limits[0].rate: not in 1...1000000000: 0"),
    (
        "{name: a, algorithm: token_bucket, rate: 5/h, burst: 9000000}",
        "2:51: limits[0].burst: burst is too large for a rate over so long a time"
    ),
    ("{name: a, limit: 1, window: 1s, mode: maybe}", "2:37: limits[0].mode: not one of enforce, observe: \"maybe\""),
    (
        "{name: a, limit: 1, window: 1s, per: user}",
        "2:37: limits[0].per: not one of caller, peer, method, interface, attachment NAME: \"user\""
    ),
    ("{name: a, limit: 1, window: 1s, per: [caller, caller]}", "2:51: limits[0].per: given twice: \"caller\""),
    ("{name: a, limit: 1, window: 1s, per: []}", "2:37: limits[0].per: must have 1...4 items"),
    ("{name: a, limit: 1, window: 1s, per: [[a]]}", "2:43: limits[0].per: must be a list of texts, found a list"),
    (
        "{name: a, limit: 1, window: 1s, per: attachment}",
        "2:37: limits[0].per: not one of caller, peer, method, interface, attachment NAME: \"attachment\""
    ),
    ("{name: a, limit: 1, window: 1s, max_keys: 5}", "2:37: limits[0].max_keys: means nothing without per"),
    (
        "{name: a, limit: 1, window: 1s, per: caller, max_keys: 10001}",
        "2:50: limits[0].max_keys: not in 1...10000: 10001"
    ),
    (
        "{name: a, limit: 1, window: 1s, match: x}",
        "2:37: limits[0].match: must be a mapping with interface, method, version, group, protocol, side, caller, peer, attachment, found a single value"
    ),
    (
        "{name: a, limit: 1, window: 1s, match: {methd: x}}",
        "2:45: limits[0].match.methd: unknown key, did you mean \"method\"?"
    ),
    (
        "{name: a, limit: 1, window: 1s, match: {method: /(/}}",
        "2:45: limits[0].match.method: missing closing parenthesis at offset 1: \"(\""
    ),
    (
        "{name: a, limit: 1, window: 1s, match: {method: {regex: 'a{2,1}'}}}",
        "2:54: limits[0].match.method.regex: numbers out of order in {} quantifier at offset 5: \"a{2,1}\""
    ),
    (
        "{name: a, limit: 1, window: 1s, match: {method: {regex: a, glob: b}}}",
        "2:45: limits[0].match.method: must have one of exact, glob and regex"
    ),
    ("{name: a, limit: 1, window: 1s, match: {method: }}", "2:45: limits[0].match.method: needs a value"),
    (
        "{name: a, limit: 1, window: 1s, match: {protocol: tls}}",
        "2:45: limits[0].match.protocol: not one of dubbo, triple, jsonrpc: \"tls\""
    ),
    (
        "{name: a, limit: 1, window: 1s, match: {side: both}}",
        "2:45: limits[0].match.side: not one of provider, consumer: \"both\""
    ),
    (
        "{name: a, limit: 1, window: 1s, match: {attachment: a}}",
        "2:45: limits[0].match.attachment: must be a mapping of names to what their values look like"
    ),
    (
        "{name: a, limit: 1, window: 1s, match: {attachment: {k: '/[/'}}}",
        "2:58: limits[0].match.attachment.k: missing terminating ] for character class at offset 1: \"[\""
    ),
    (
        "{name: a, limit: 1, window: 1s, reject: {text: \"Transport is CLOSING\"}}",
        "2:46: limits[0].reject.text: a text must not contain \"transport is closing\": dubbo-go would drop the provider"
    ),
    (
        "{name: a, limit: 1, window: 1s, reject: {text: \"\"}}",
        "2:46: limits[0].reject.text: a text has 1...256 bytes, found 0"
    ),
    (
        "{name: a, limit: 1, window: 1s, reject: {text: \"a\\tb\"}}",
        "2:46: limits[0].reject.text: a text has no control characters"
    ),
    (
        "{name: a, limit: 1, window: 1s, reject: {retry: often}}",
        "2:46: limits[0].reject.retry: not one of default, never: \"often\""
    ),
    (
        "{name: a, limit: 1, window: 1s, reject: {dubbo_status: 80}}",
        "2:46: limits[0].reject.dubbo_status: not one of 70, 100: \"80\""
    ),
    (
        "{name: a, limit: 1, window: 1s, reject: {dubbo_status: 70, retry: never}}",
        "2:46: limits[0].reject.dubbo_status: means nothing with retry: never, which is answered with status 20 and an exception"
    ),
    (
        "{name: a, limit: 1, window: 1s, reject: {http_status: 503}}",
        "2:46: limits[0].reject.http_status: not one of 200, 429: \"503\""
    ),
    (
        "{name: a, limit: 1, window: 1s, reject: {jsonrpc_code: -32601}}",
        "2:46: limits[0].reject.jsonrpc_code: not in -32099...-32000: \"-32601\""
    ),
    (
        "{name: a, limit: 1, window: 1s, reject: {retry_after: soon}}",
        "2:46: limits[0].reject.retry_after: not true or false: \"soon\""
    ),
    (
        "just text",
        "2:5: limits[0]: must be a mapping with name, match, per, max_keys, algorithm, limit, window, rate, burst, mode, reject, found a single value"
    ),
    (
        "",
        "2:4: limits[0]: must be a mapping with name, match, per, max_keys, algorithm, limit, window, rate, burst, mode, reject, found nothing"
    ),
]

@Suite struct LimitsFileTests {
    @Test("a wrong limit is named with its place", arguments: wrongFields)
    func wrongLimit(item: String, expected: String) {
        #expect(said("limits:\n  - \(item)") == ["limits.yaml:" + expected])
    }

    @Test(
        "a wrong file is named with its place",
        arguments: [
            ("limits: 5", "1:1: limits: must be a list, found a single value"),
            ("[1]", "1:1: must be a mapping with limits, budget, found a list"),
            ("limit: []", "1:1: limit: unknown key, did you mean \"limits\"?"),
            ("budget: 5", "1:1: budget: needs a unit: \"5\"; write it as 512B, 16KiB, 8MiB"),
            ("budget: 1KiB", "1:1: budget: not in 64KiB...1GiB: 1KiB"),
            (
                "limits:\n  - {name: a, limit: 1, window: 1s}\n  - {name: a, limit: 1, window: 1s}",
                "3:6: limits[1].name: \"a\" is given twice, first at limits.yaml:2:6"
            ),
            (
                "limits:\n  - {name: a, limit: 1000, window: 1s, per: caller}\n  - {name: b, limit: 1, window: 1s}",
                """
                2:6: a: the limits need 76.9 MiB at worst (a 76.9 MiB, b 0.1 MiB), more than the budget of 16.0 MiB: lower \
                limit or max_keys, or raise budget
                """
            ),
        ]
    )
    func wrongFile(text: String, expected: String) {
        #expect(said(text) == ["limits.yaml:" + expected])
    }

    @Test("all problems are found, in the order of the text")
    func allProblems() {
        let text = """
            bugdet: 1MiB
            limits:
              - name: a
                limit: none
                window: 1x
                match: {method: /(/, caller: '/[/'}
              - {limit: 1, windw: 1s}
              - &x {name: b, limit: 1, window: 1s}
              - *x
            """
        #expect(
            said(text) == [
                "limits.yaml:1:1: bugdet: unknown key, did you mean \"budget\"?",
                "limits.yaml:4:5: limits[0].limit: not a whole number: \"none\"",
                "limits.yaml:5:5: limits[0].window: not a time: \"1x\"; write it as 500ms, 10s, 1m, 1h",
                "limits.yaml:6:13: limits[0].match.method: missing closing parenthesis at offset 1: \"(\"",
                "limits.yaml:6:26: limits[0].match.caller: missing terminating ] for character class at offset 1: \"[\"",
                "limits.yaml:7:5: limits[1]: needs a name",
                "limits.yaml:7:5: limits[1]: sliding_window needs window",
                "limits.yaml:7:16: limits[1].windw: unknown key, did you mean \"window\"?",
                "limits.yaml:8:5: limits: anchors (&) are not taken",
                "limits.yaml:9:5: limits: aliases (*) are not taken",
            ]
        )
    }

    @Test("a text that is no YAML is refused with its place")
    func syntaxError() {
        #expect(said("limits: [").count == 1)
        #expect(said("limits:\n\t- a").first?.hasPrefix("limits.yaml:2:") == true)
    }

    @Test("no more than a hundred problems are kept")
    func manyProblems() {
        let text = "limits:\n" + String(repeating: "  - {x: 1}\n", count: 200)
        let problems = said(text)
        #expect(problems.count == 100)
        #expect(problems.last?.hasSuffix("and more problems from here on") == true)
    }

    @Test("a text without limits is a document without limits", arguments: ["", "limits:", "limits: []", "# nothing"])
    func empty(text: String) throws {
        #expect(try read(text).get() == LimitsDocument())
    }

    @Test("every field arrives where it belongs")
    func fields() throws {
        let text = """
            limits:
              - name: a
                match: {interface: com.acme.OrderService, method: place*, version: "", group: /^g/, protocol: triple,
                        side: consumer, caller: {exact: /x/}, peer: 10.*, attachment: {User_Level: gu?st, b: {glob: "*"}}}
                per: [peer, method, interface, attachment User_Level]
                max_keys: 12
                limit: 7
                window: 250ms
                mode: observe
                reject: {text: no, retry: default, dubbo_status: 70, jsonrpc_code: -32050, http_status: 429, retry_after: yes}
              - {name: b, algorithm: token_bucket, rate: 90/m, burst: 4}
              - {name: c, algorithm: fixed_window, limit: 3, window: 1h}
              - {name: d, algorithm: concurrency, limit: 2, reject: {retry: never}}
            budget: 1MiB
            """
        let document = try read(text).get()
        #expect(document.budgetBytes == 1 << 20)
        var a = LimitDefinition(name: "a", algorithm: .slidingWindow(limit: 7, window: .milliseconds(250)))
        a.match.interface = .exact("com.acme.OrderService")
        a.match.method = .glob("place*")
        a.match.version = .exact("")
        a.match.group = .regex("^g")
        a.match.callProtocol = .triple
        a.match.side = .consumer
        a.match.caller = .exact("/x/")
        a.match.peer = .glob("10.*")
        a.match.attachments = [.init(name: "user_level", value: .glob("gu?st")), .init(name: "b", value: .glob("*"))]
        a.keys = [.peer, .method, .interface, .attachment("user_level")]
        a.maxKeys = 12
        a.mode = .observe
        a.localReply.text = "no"
        a.localReply.codes[.dubbo] = 70
        a.localReply.codes[.jsonrpc] = -32_050
        a.localReply.httpStatus = 429
        a.localReply.givesRetryAfter = true
        var d = LimitDefinition(name: "d", algorithm: .concurrency(limit: 2))
        d.localReply.retry = .never
        let b = LimitDefinition(name: "b", algorithm: .tokenBucket(rate: 90, period: .seconds(60), burst: 4))
        let c = LimitDefinition(name: "c", algorithm: .fixedWindow(limit: 3, window: .seconds(3600)))
        #expect(document.definitions == [a, b, c, d])
        #expect(document.definitions[3].localReplyText == "limit d exceeded")
    }

    @Test("in short, slashes make an expression, stars and question marks a glob")
    func shorthand() throws {
        #expect(try first("match: {method: /a.c/}").match.method == .regex("a.c"))
        #expect(try first("match: {method: a?c}").match.method == .glob("a?c"))
        #expect(try first("match: {method: a.c}").match.method == .exact("a.c"))
        #expect(try first("match: {method: /}").match.method == .exact("/"))
        #expect(try first("per: attachment X-Tenant").keys == [.attachment("x-tenant")])
        #expect(try first("per: caller").keys == [.caller])
    }

    @Test("several files are one document, and a name given in two is a problem")
    func severalFiles() throws {
        let one = SettingsFile(name: "a.yaml", bytes: Array("limits: [{name: x, limit: 1, window: 1s}]".utf8))
        let two = SettingsFile(
            name: "b.yaml",
            bytes: Array("limits: [{name: y, limit: 1, window: 1s}]\nbudget: 1MiB".utf8)
        )
        #expect(try LimitsFile.read([one, two]).definitions.map(\.name) == ["x", "y"])
        let again = SettingsFile(name: "c.yaml", bytes: two.bytes)
        do throws(ConfigurationProblems) {
            _ = try LimitsFile.read([one, two, again])
            Issue.record("two limits of one name were taken")
        } catch {
            #expect(
                error.problems.map(\.description) == [
                    "c.yaml:1:11: limits[0].name: \"y\" is given twice, first at b.yaml:1:11",
                    "c.yaml:2:1: budget: given twice, first at b.yaml:2:1",
                ]
            )
        }
    }

    @Test("too many limits and attachments are refused")
    func tooMany() {
        let limits = (0..<257).map { "  - {name: l\($0), limit: 1, window: 1s}\n" }.joined()
        #expect(said("limits:\n" + limits) == ["limits.yaml:258:6: l256: more than 256 limits"])
        let names = (0..<65).map { "  - {name: l\($0), limit: 1, window: 1s, match: {attachment: {k\($0): a}}}\n" }
            .joined()
        #expect(
            said("limits:\n" + names) == ["limits.yaml:66:6: l64: all limits together look at more than 64 attachments"]
        )
    }

    @Test("the example passes and can be put in force")
    func example() throws {
        let top = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let bytes = try contents("/\(top)/rules/limits.yaml")
        let document = try LimitsFile.read([SettingsFile(name: "limits.yaml", bytes: bytes)])
        #expect(document.definitions.count == 6)
        let set = try LimitSet(definitions: document.definitions, budgetBytes: document.budgetBytes) { 0 }
        #expect(set.attachmentNames == ["user_level"])
    }

    private func contents(_ path: String) throws -> [UInt8] {
        let file = try #require(fopen(path, "rb"), "cannot open \(path)")
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes.prefix(count))
    }
}
