import Calls
import Capture
import Foundation
import Inspection
import Telemetry
import Testing

/// Captures of dubbo-go 3.3.2 peers: what is counted is what both ends logged.
@Suite struct GoGoldenTests {
    /// Calls by method and what became of them.
    private typealias Counts = [String: Int]

    /// What was counted of a capture, packet by packet.
    private func counts(_ name: String, _ check: (Counts) -> Void) throws {
        try GoldenFile.withCapture("go/dubbo-go-3.3.2-\(name).pcap") { file in
            let bench = Bench(.calls)
            let reassembler = Reassembler(consumer: CaptureInspector(inspector: bench.inspector, side: .provider))
            var capture = try CaptureFile(path: file)
            try reassembler.read(&capture)
            reassembler.finish()
            check(counts(bench))
        }
    }

    private func counts(_ bench: Bench) -> Counts {
        bench.calls.all.reduce(into: [:]) { counts, observed in
            let operation = bench.registry[observed.call.operation]
            let code = ResultCode.name(of: observed.call.code, in: operation.callProtocol)
            counts["\(operation.method) \(observed.call.outcome.label) \(code)", default: 0] += 1
        }
    }

    private func log(_ name: String, _ end: String) throws -> [Line] {
        try GoldenFile.lines("go/dubbo-go-3.3.2-\(name).\(end).jsonl")
    }

    private func number(of lines: [Line], _ method: String) -> Int { lines.count { $0.text("method") == method } }

    @Test("Dubbo: each method's calls, and how they ended")
    func dubbo() throws {
        let client = try log("dubbo", "client")
        let server = try log("dubbo", "server")
        var expected: Counts = [:]
        for line in client {
            switch line.text("call") ?? "" {
            case "parallel": expected["EchoString ok OK", default: 0] += Int(line.number("n") ?? 0)
            // The same method with attachments.
            case "Atts+": expected["Atts ok OK", default: 0] += 1
            // dubbo-go's failover asks three times, whatever the error.
            case let call:
                let isOK = line.text("err") == nil
                expected["\(call) \(isOK ? "ok" : "business_error") OK", default: 0] += isOK ? 1 : 3
            }
        }
        for method in Set(server.compactMap { $0.text("method") }) {
            let calls = expected.filter { $0.key.hasPrefix("\(method) ") }.reduce(0) { $0 + $1.value }
            #expect(calls == number(of: server, method), "the logs agree on \(method)")
        }
        try counts("dubbo") { #expect($0 == expected) }
        // And in reads as large as may be.
        try GoldenFile.withCapture("go/dubbo-go-3.3.2-dubbo.pcap") { file in
            for limit in [262_144, 65_537, 4_096] {
                let bench = Bench(.calls)
                try CaptureReads.read(file).replay(into: bench, limit: limit)
                #expect(counts(bench) == expected, "\(limit)")
            }
        }
    }

    @Test("Dubbo: the classes of exceptions are those that the client was told")
    func exceptions() throws {
        let told = try log("dubbo", "client").compactMap { line -> String? in
            let words = line.text("err")?.split(separator: " ").map(String.init) ?? []
            return words.count > 2 && words[0] == "java" ? "\(line.text("call") ?? "") \(words[2])" : nil
        }
        try GoldenFile.withCapture("go/dubbo-go-3.3.2-dubbo.pcap") { file in
            let bench = Bench(.calls)
            try CaptureReads.read(file).replay(into: bench, limit: 100_000)
            let seen = bench.calls.all.filter { $0.call.outcome == .businessError }.map {
                "\(bench.registry[$0.call.operation].method) \($0.exception)"
            }
            #expect(seen.sorted() == (told + told + told).sorted())
        }
    }

    @Test("generic calls count by the method they name; one is given up, and its reply is late")
    func generic() throws {
        var expected: Counts = [:]
        for line in try log("dubbo-generic", "client") {
            let end = line.text("err") == nil ? "ok OK" : "timeout "
            expected["\(line.text("call") ?? "") \(end)", default: 0] += 1
        }
        let server = try log("dubbo-generic", "server")
        #expect(expected.values.reduce(0, +) == server.count)
        try counts("dubbo-generic") { #expect($0 == expected) }
    }

    @Test("Triple: each code, and streams")
    func triple() throws {
        let names = [
            "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
            "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
            "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
        ]
        var expected: Counts = [:]
        for line in try log("triple", "server") where line.text("ended") == nil {
            let argument = (line.text("args") ?? "").trimmingCharacters(in: ["\""])
            let code: String
            switch (line.text("method") ?? "", argument) {
            case ("Greet", "panic"): code = "INTERNAL"
            case ("Greet", "err"): code = "BIZ_ERROR"
            // It took longer than its caller waited.
            case ("Greet", "sleep:3600"): code = ""
            case ("Greet", _) where argument.hasPrefix("code:"):
                code = names[Int(argument.dropFirst("code:".count)) ?? 0]
            // How these ended stands in lines of their own.
            case ("GreetStream", _): continue
            default: code = "OK"
            }
            expected["\(line.text("method") ?? "") \(code)", default: 0] += 1
        }
        // Two were reset by the client (one because it had all it wanted, which the wire does not tell), one failed.
        let server = try log("triple", "server")
        expected["GreetStream CANCELLED"] = server.count { $0.text("ended")?.hasSuffix("CANCEL") == true }
        expected["GreetStream ABORTED"] = try log("triple", "client").count { line in
            line.text("call")?.hasPrefix("GreetStream") == true && line.text("code") == "aborted"
        }
        #expect(number(of: server.filter { $0.text("ended") == nil }, "GreetStream") == 3)
        try counts("triple") { counts in
            let codes = Dictionary(counts.map { (Self.withoutOutcome($0.key), $0.value) }, uniquingKeysWith: +)
            #expect(codes == expected)
        }
    }

    private static func withoutOutcome(_ key: String) -> String {
        let words = key.split(separator: " ", omittingEmptySubsequences: false)
        return "\(words.first ?? "") \(words.last ?? "")"
    }
}
