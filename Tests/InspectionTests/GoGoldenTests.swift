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

    /// Replays a capture packet by packet and in reads as large as may be: what was counted is the same.
    private func counts(_ name: String, _ check: (Counts) -> Void) throws {
        try GoldenFile.withCapture("go/dubbo-go-3.3.2-\(name).pcap") { file in
            let bench = Bench(.calls)
            let reassembler = Reassembler(consumer: CaptureInspector(inspector: bench.inspector, side: .provider))
            var capture = try CaptureFile(path: file)
            try reassembler.read(&capture)
            reassembler.finish()
            let packets = counts(bench)
            check(packets)
            for limit in [262_144, 4_096] {
                let large = Bench(.nothing)
                try CaptureReads.read(file).replay(into: large, limit: limit)
                #expect(counts(large) == packets, "\(limit)")
            }
        }
    }

    private func counts(_ bench: Bench) -> Counts {
        var counts: Counts = [:]
        for report in bench.snapshot.operations {
            for result in report.results where result.count > 0 {
                counts["\(report.operation.method) \(result.outcome.label) \(result.code)", default: 0] += Int(
                    result.count
                )
            }
        }
        return counts
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
            // The client's log says which of three failed, and which it cancelled.
            case ("GreetStream", _): continue
            default: code = "OK"
            }
            expected["\(line.text("method") ?? "") \(code)", default: 0] += 1
        }
        for line in try log("triple", "client") where line.text("call")?.hasPrefix("GreetStream") == true {
            let word = line.text("err")?.prefix { $0 != ":" }
            // A client that has all it wanted resets its stream before the trailers: the server's log, too, says
            // that both were cancelled.
            let code = word == nil || word == "canceled" ? "CANCELLED" : "ABORTED"
            expected["GreetStream \(code)", default: 0] += 1
        }
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
