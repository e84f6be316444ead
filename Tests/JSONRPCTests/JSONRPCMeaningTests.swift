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
            (#"{"jsonrpc":"2.0","method":"m","id":1}"#, .request), (#"{"method":"m","id":"a"}"#, .request),
            (#"{"jsonrpc":"2.0","method":"m","id":null}"#, .request), (#"{"method":"m","id":null}"#, .notification),
            (#"{"jsonrpc":"2.0","method":"m"}"#, .notification), (#"{"method":"m"}"#, .notification),
            (#"{"jsonrpc":"1.0","method":"m","id":1}"#, .request), (#"{"jsonrpc":"2.0","method":1,"id":1}"#, .neither),
            (#"{"jsonrpc":"2.0","method":"m","id":true}"#, .neither), (#"{"method":"m","id":[]}"#, .neither),
            (#"{"method":"m","id":1,"result":1}"#, .request), (#"{"result":1,"id":1}"#, .response),
            (#"{"result":null,"id":1}"#, .response), (#"{"error":{"code":1},"id":1}"#, .response),
            (#"{"error":null,"id":1}"#, .response), (#"{"error":{"code":1}}"#, .response),
            (#"{"id":1}"#, .neither), ("{}", .neither), ("1", .neither), (#""method""#, .neither), ("null", .neither),
        ] as [(String, JSONRPCRole)]
    )
    func roles(text: String, role: JSONRPCRole) {
        #expect(scan(text).found[0].facts.role == role)
    }

    @Test(
        "what became of a call follows from the code",
        arguments: [
            (-32700, .clientError), (-32600, .clientError), (-32601, .clientError), (-32602, .clientError),
            (-32603, .serverError), (-32000, .serverError), (-32099, .serverError), (-32100, .serverError),
            (-32768, .serverError), (-32699, .serverError), (-32769, .businessError), (-31999, .businessError),
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
            #expect(scan.error != nil, "\(name)")
            return
        }
        #expect(scan.error == nil, "\(name)")
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
        for count in [0, 1, 999, 1000, 1001, 3000] {
            let batch = try batch(count) { #"{"jsonrpc":"2.0","method":"m\#($0)","id":\#($0)}"# }
            #expect(batch.count == count)
            #expect(batch.requestCount == count)
            #expect(batch.members.count == min(count, 1000))
            #expect(batch.isComplete == (count <= 1000))
            if let last = batch.members.last {
                #expect(batch.text.slice(last.method).text == "m\(batch.members.count - 1)")
                #expect(batch.text.slice(last.id).text == "\(batch.members.count - 1)")
            }
        }
        let long = String(repeating: "x", count: 500)
        let texts = try batch(300) { _ in #"{"method":"\#(long)","id":1}"# }
        #expect(texts.members.count == 65_536 / 501)
        #expect(texts.isComplete == false)
        #expect(texts.count == 300)
        let mixed = try batch(4) {
            [#"{"method":"n"}"#, #"{"method":"r","id":"q"}"#, "1", #"{"error":{"code":-32603},"id":9}"#][$0]
        }
        #expect(mixed.members.map(\.role) == [.notification, .request, .neither, .response])
        let counts = [mixed.notificationCount, mixed.requestCount, mixed.neitherCount, mixed.responseCount]
        #expect(counts == [1, 1, 1, 1])
        #expect(mixed.members[3].outcome == .serverError)
        #expect(mixed.members.map(\.byteCount) == [14, 23, 1, 32])
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
            #"[{"method":"a","id":"x"},{"method":"n"},7,{"method":"b","id":2},{"result":1}]"#
        )
        #expect(isWritten)
        let read = scan([reply[...]])
        #expect(read.batches == [3])
        #expect(read.found.map(\.id) == [#""x""#, "null", "2"])
        #expect(try answer(#"[{"method":"n"},{"method":"n"}]"#).0 == false)
        #expect(try answer("[]").0 == false)
    }
}
