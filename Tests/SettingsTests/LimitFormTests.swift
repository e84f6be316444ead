import Calls
import Policy
import Settings
import Testing

@Suite struct LimitFormTests {
    private static let file = """
        limits:
          - name: plain
            limit: 5
            window: 1500ms
          - name: all
            match:
              interface: demo.*
              method: {exact: "a*b"}
              version: ""
              group: {regex: "^a/b$"}
              caller: /x.y/
              peer: {glob: "127.0.0.1"}
              protocol: dubbo
              side: consumer
              attachment: {Token: secret-value, zone: "b?"}
            per: [caller, peer, method, attachment zone]
            max_keys: 77
            algorithm: token_bucket
            rate: 7/m
            burst: 9
            mode: observe
            reject: {text: "no \\"more\\"", dubbo_status: 70, jsonrpc_code: -32001, http_status: 429, retry_after: true}
          - {name: f, algorithm: fixed_window, limit: 1, window: 2h, reject: {retry: never}}
          - {name: c, algorithm: concurrency, limit: 3, per: [interface]}
        """

    @Test("what is told of limits is a limits file that says the same")
    func roundTrip() throws {
        let document = try LimitsFile.read(text: Self.file, path: "first")
        var json = JSONText()
        json.beginObject()
        json.key("limits")
        json.beginArray()
        for definition in document.definitions { definition.writeForm(to: &json) }
        json.endArray()
        json.endObject()
        let text = String(decoding: json.bytes, as: UTF8.self)
        var expected = document.definitions
        for index in expected.indices { expected[index].localReply.text = expected[index].localReplyText }
        #expect(try LimitsFile.read(text: text, path: "second").definitions == expected, "\(text)")
    }

    @Test("any character that a pattern can have arrives")
    func characters() throws {
        let scalars: [UInt32] = [0x7f, 0x85, 0x9f, 0xe9, 0x202e, 0xfeff, 0xfffe, 0x1f642, 0x10ffff]
        let pattern = String(String.UnicodeScalarView(scalars.compactMap { Unicode.Scalar($0) })) + "\"\\'"
        var definition = LimitDefinition(name: "a", algorithm: .concurrency(limit: 1))
        definition.match.caller = .exact(pattern)
        definition.localReply.text = definition.localReplyText
        var json = JSONText()
        json.beginObject()
        json.key("limits")
        json.beginArray()
        definition.writeForm(to: &json)
        json.endArray()
        json.endObject()
        let text = String(decoding: json.yamlBytes, as: UTF8.self)
        #expect(try LimitsFile.read(text: text, path: "made").definitions == [definition], "\(text)")
    }

    @Test("values that are to be hidden are")
    func hidden() throws {
        let document = try LimitsFile.read(text: Self.file, path: "first")
        var json = JSONText()
        document.definitions[1].writeForm(to: &json, hiding: ["token"])
        let text = String(decoding: json.bytes, as: UTF8.self)
        #expect(!text.contains("secret") && text.contains(#""token":"***","zone":"b?""#), "\(text)")
        // It is no limit on whatever the value is.
        do throws(ConfigurationProblems) {
            _ = try LimitsFile.read(text: #"{"limits":[\#(text)]}"#, path: "third")
            Issue.record("taken")
        } catch {
            #expect(
                "\(error)".contains("attachment.token: *** stands for a value that was not to be shown"),
                "\(error)"
            )
        }
    }
}
