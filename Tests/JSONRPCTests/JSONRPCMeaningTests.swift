import Calls
import Foundation
import JSONRPC
import TestSupport
import Testing
import Wire

@Suite struct JSONRPCMeaningTests {
    private func role(_ text: String) -> JSONRPCRole { scan(text).found[0].facts.role }

    @Test(
        "what a message is follows from method, id, result and error",
        arguments: [
            (#"{"jsonrpc":"2.0","method":"m","id":1}"#, .request),
            (#"{"jsonrpc":"2.0","method":"m","id":null}"#, .request),
            (#"{"jsonrpc":"2.0","method":"m"}"#, .notification),
            (#"{"method":"m","params":{},"jsonrpc":null}"#, .notification),
            (#"{"jsonrpc":[],"method":"m","id":1}"#, .request), (#"{"jsonrpc":"2.0","method":1,"id":1}"#, .neither),
            (#"{"jsonrpc":"2.0","method":"m","id":true}"#, .request), (#"{"jsonrpc":2,"method":"","id":[]}"#, .request),
            // Version 1.0 is known by its whole shape.
            (#"{"method":"m","params":[],"id":"a"}"#, .request), (#"{"id":0,"params":[1],"method":"m"}"#, .request),
            (#"{"method":"m","params":[],"id":null}"#, .notification), (#"{"method":"m","id":"a"}"#, .neither),
            (#"{"method":"m","params":[]}"#, .neither), (#"{"method":"m","params":{},"id":1}"#, .neither),
            (#"{"method":"m","id":null}"#, .neither), (#"{"method":"m"}"#, .neither),
            (#"{"method":"GET","url":"/a","id":"1","body":{"params":[]}}"#, .neither),
            (#"{"jsonrpc":"2.0","result":1,"id":1}"#, .response), (#"{"error":{"code":1},"jsonrpc":0}"#, .response),
            (#"{"result":null,"error":{"code":1},"id":1}"#, .response), (#"{"result":1,"id":1}"#, .neither),
            (#"{"error":"no space left","level":"warn"}"#, .neither),
            // Any case of letters will do for a peer or two, where a member jsonrpc is there.
            (#"{"JsonRPC":"2.0","Method":"m","ID":1}"#, .request), (#"{"Method":"m","Params":[],"Id":1}"#, .neither),
            (#"{"id":1}"#, .neither), ("{}", .neither), ("1", .neither), (#""method""#, .neither), ("null", .neither),
        ] as [(String, JSONRPCRole)]
    )
    func roles(text: String, role: JSONRPCRole) {
        #expect(scan(text).found[0].facts.role == role)
    }

    @Test("where nothing but JSON-RPC stands, what has a method is a call; and so with responses")
    func places() throws {
        func role(_ text: String, _ place: JSONRPCFacts.Place) throws -> JSONRPCRole {
            let bytes = Array(text.utf8)
            var scanner = JSONScanner()
            scanner.begin(.single, at: place)
            var at = 0
            while at < bytes.count { _ = try scanner.read(bytes.span.bytes, &at) }
            return scanner.facts.role
        }
        #expect(try role(#"{"method":"m","id":"a"}"#, .messages) == .request)
        #expect(try role(#"{"method":"m"}"#, .messages) == .notification)
        #expect(try role(#"{"method":"m"}"#, .responses) == .neither)
        #expect(try role(#"{"error":{"code":1}}"#, .responses) == .response)
        #expect(try role(#"{"result":1}"#, .messages) == .response)
        #expect(try role(#"{"result":1}"#, .anywhere) == .neither)
    }

    @Test("of several methods the last is the label, and the others are kept, as many as there is room for")
    func otherMethods() throws {
        func others(_ text: String) throws -> (last: String, others: [String], count: Int) {
            let bytes = Array(text.utf8)
            var scanner = JSONScanner()
            for byte in bytes {
                var at = 0
                while at < 1 { _ = try scanner.read([byte].span.bytes, &at) }
            }
            var names: [String] = []
            scanner.eachOtherMethod { names.append($0.text) }
            return (scanner.method.text, names, scanner.facts.otherMethodCount)
        }
        #expect(try others(#"{"method":"a"}"#) == ("a", [], 0))
        let three = try others(#"{"method":"a","method":"\u0062","x":{"method":"no"},"Method":"c"}"#)
        #expect(three == ("c", ["a", "b"], 2))
        #expect(try others(#"{"method":"","method":1,"method":"c"}"#) == ("c", [""], 1))
        let many = try others("{" + (0..<2000).map { #""method":"m\#($0)""# }.joined(separator: ",") + "}")
        #expect(many.last == "m1999" && many.others.first == "m0" && many.count == 1999)
        #expect(many.others.count > 500 && many.others.count < 1999)
    }

    @Test(
        "what became of a call follows from the code",
        arguments: [
            (-32700, .clientError), (-32600, .clientError), (-32601, .clientError), (-32602, .clientError),
            (-32603, .serverError), (-32000, .serverError), (-32099, .serverError), (-32100, .serverError),
            (-32768, .serverError), (-32699, .serverError), (-32769, .businessError), (-32800, .cancelled),
            (-31999, .businessError),
            (0, .businessError), (1, .businessError), (Int32.max, .businessError),
        ] as [(Int32, Outcome)]
    )
    func outcomes(code: Int32, outcome: Outcome) {
        let facts = scan(#"{"jsonrpc":"2.0","result":{},"error":{"code":\#(code)},"id":1}"#).found[0].facts
        #expect(facts.outcome == outcome)
        // Code 0 means a result everywhere else.
        #expect(facts.resultCode == (code == 0 ? ResultCode.none : code))
    }

    @Test("a result is ok, and an error without a code is the application's")
    func outcomesWithoutCode() {
        #expect(scan(#"{"result":1,"error":null,"id":1}"#).found[0].facts.outcome == .ok)
        #expect(scan(#"{"result":1,"id":1}"#).found[0].facts.resultCode == 0)
        let stratum = scan(#"{"id":1,"result":null,"error":[20,"Not supported",null]}"#).found[0].facts
        #expect(stratum.outcome == .businessError)
        #expect(stratum.resultCode == ResultCode.none)
    }

    @Test("the corpus's vectors are understood as they say")
    func vectors() throws {
        guard let url = corpus("jsonrpc/vectors.jsonl") else { return }
        let lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n")
        #expect(lines.count >= 15)
        for line in lines {
            let vector = try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            for half in ["request", "response"] {
                guard let text = vector[half + "_hex"] as? String else { continue }
                let expected = try #require(vector[half + "_class"] as? [String: Any])
                check(scan([hex(text)[...]]), expected, "\(vector["id"] ?? "") \(half)")
            }
        }
    }

    private func check(_ scan: Scan, _ expected: [String: Any], _ name: String) {
        guard expected["json"] as? String == "valid" else {
            // A byte order mark is no JSON, and no fault, either.
            #expect(scan.fault != nil || name.hasPrefix("extra/bom"), "\(name)")
            return
        }
        #expect(scan.fault == nil, "\(name)")
        #expect(!scan.batches.isEmpty == expected["batch"] as? Bool, "\(name)")
        let calls = expected["calls"] as? [[String: Any]] ?? []
        #expect(scan.found.count == calls.count, "\(name)")
        for (found, call) in zip(scan.found, calls) {
            let facts = found.facts
            switch call["kind"] as? String {
            case "request": #expect(facts.role == .request, "\(name)")
            case "notification": #expect(facts.role == .notification, "\(name)")
            case "invalid": #expect(facts.role == .neither, "\(name)")
            case "result": #expect(facts.role == .response && !facts.isError, "\(name)")
            default: #expect(facts.role == .response && facts.isError, "\(name)")
            }
            #expect(found.method == call["method"] as? String ?? "", "\(name)")
            #expect(facts.errorCode == (call["code"] as? Int).map { Int32($0) }, "\(name)")
            switch call["id"] {
            case nil: #expect(facts.id == .absent, "\(name)")
            case let text as String:
                let decoded = try? JSONSerialization.jsonObject(with: Data(found.id.utf8), options: .fragmentsAllowed)
                #expect(decoded as? String == text, "\(name)")
            case let number as NSNumber: #expect(found.id == number.stringValue, "\(name)")
            default: #expect(facts.id == .null, "\(name)")
            }
        }
    }

    @Test("a batch is remembered up to a bound and counted beyond it")
    func batches() throws {
        func batch(_ count: Int, _ member: (Int) -> String) throws -> JSONRPCBatch {
            let text = "[" + (0..<count).map(member).joined(separator: ",") + "]"
            let bytes = Array(text.utf8)
            var scanner = JSONScanner()
            var batch = JSONRPCBatch()
            var at = 0
            while at < bytes.count {
                if try scanner.read(bytes.span.bytes, &at) == .batchMember { batch.append(scanner) }
            }
            #expect(scanner.memberCount == count)
            return batch
        }
        for count in [0, 1, 4999, 5000, 5001, 9000] {
            let batch = try batch(count) { #"{"jsonrpc":"2.0","method":"m\#($0)","id":\#($0)}"# }
            #expect(batch.count == count)
            #expect(batch.requestCount == count)
            #expect(batch.members.count == min(count, 5000))
            #expect(batch.isComplete == (count <= 5000))
            if let last = batch.members.last {
                #expect(batch.text.slice(last.method).text == "m\(batch.members.count - 1)")
                #expect(batch.text.slice(last.id).text == "\(batch.members.count - 1)")
            }
        }
        let long = String(repeating: "x", count: 500)
        let texts = try batch(600) { _ in #"{"method":"\#(long)","id":1}"# }
        #expect(texts.members.count == 131_072 / 501)
        #expect(texts.isComplete == false)
        #expect(texts.count == 600)
        let mixed = try batch(5) {
            [
                #"{"jsonrpc":2,"method":"n"}"#, #"{"method":"r","params":[],"id":"q"}"#, "1",
                #"{"jsonrpc":2,"error":{"code":-32603},"id":9}"#, #"{"method":"GET","url":"/"}"#,
            ][$0]
        }
        #expect(mixed.members.map(\.role) == [.notification, .request, .neither, .response, .neither])
        let counts = [mixed.notificationCount, mixed.requestCount, mixed.neitherCount, mixed.responseCount]
        #expect(counts == [1, 1, 2, 1])
        #expect(mixed.members[3].outcome == .serverError)
        #expect(mixed.members.map(\.byteCount) == [26, 35, 1, 44, 26])
    }

    @Test("replies are what the scanner reads as errors with the same ids")
    func replies() throws {
        let reply = JSONRPCErrorReply(code: -32000, message: "limit \"a\"\n中")
        var bytes: [UInt8] = []
        let id = Array(#""\u0061""#.utf8)
        reply.write(id: id.span.bytes, to: &bytes)
        let text = #"{"jsonrpc":"2.0","error":{"code":-32000,"message":"limit \"a\"\n中"},"id":"\u0061"}"#
        #expect(String(decoding: bytes, as: UTF8.self) == text)
        #expect(scan([bytes[...]]).found[0].facts.outcome == .serverError)
        bytes = []
        let nothing: [UInt8] = []
        reply.write(id: nothing.span.bytes, version: .absent, to: &bytes)
        let old = scan([bytes[...]]).found[0]
        #expect(old.facts.version == .absent)
        #expect(old.facts.result == .null)
        #expect(old.id == "null")
    }

    @Test("a batch's reply answers its requests and its odd members only")
    func batchReplies() throws {
        func answer(_ text: String) throws -> (Bool, [UInt8]) {
            let bytes = Array(text.utf8)
            var scanner = JSONScanner()
            var batch = JSONRPCBatch()
            var at = 0
            while at < bytes.count {
                if try scanner.read(bytes.span.bytes, &at) == .batchMember { batch.append(scanner) }
            }
            var reply: [UInt8] = []
            let isWritten = JSONRPCErrorReply(code: -32000, message: "m").write(batch: batch, to: &reply)
            batch.removeAll()
            #expect(batch.count == 0)
            return (isWritten, reply)
        }
        let (isWritten, reply) = try answer(
            #"""
            [{"jsonrpc":1,"method":"a","id":"x"},{"jsonrpc":1,"method":"n"},7,{"method":"b","params":[],"id":2},\#
            {"jsonrpc":1,"result":1}]
            """#
        )
        #expect(isWritten)
        let read = scan([reply[...]])
        #expect(read.batches == [3])
        #expect(read.found.map(\.id) == [#""x""#, "null", "2"])
        #expect(try answer(#"[{"jsonrpc":1,"method":"n"},{"jsonrpc":1,"method":"n"}]"#).0 == false)
        #expect(try answer("[]").0 == false)
    }
}
