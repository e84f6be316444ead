import Calls
import Foundation
import Inspection
import Telemetry
import Testing

/// A Triple call of a Java consumer: its own line about it, the halves of its stream, and Weir's line.
private struct TripleExchange {
    var call: Line
    var request: Line
    var reply: Line?
    var finished: Line
}

/// What Dubbo Java logged of its Triple calls, against what was read of the capture beside it.
@Suite struct TripleGoldenTests {
    private static let names = JavaCapture.tripleNames

    /// The peers' logs of Triple calls, which ``JavaCapture`` leaves out.
    private static func log(_ name: String) throws -> [Line] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Goldens/java")
        let unpacking = Process()
        unpacking.executableURL = URL(filePath: "/usr/bin/env")
        unpacking.arguments = ["xz", "-dc", folder.appending(path: "\(name).jsonl.xz").path]
        let output = Pipe()
        unpacking.standardOutput = output
        try unpacking.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        unpacking.waitUntilExit()
        return try objects([UInt8](data)).filter { $0.text("protocol") == "tri" }
    }

    /// The method that a line of a log is counted under: a generic call's own argument names it.
    private static func method(_ line: Line) -> String {
        let method = line.text("method") ?? ""
        // The generated stub calls one method both ways.
        if method == "queryAsync" { return "query" }
        return method.hasPrefix("$invoke") ? (line["args"] as? [Any])?.first as? String ?? "" : method
    }

    private static func service(_ line: Line) -> String {
        guard let service = line.service else { return "" }
        return "\(service.group)/\(service.interface):\(service.version == "0.0.0" ? "" : service.version)"
    }

    private static func key(_ line: Line) -> String {
        "\(line.text("client") ?? "") \(line.number("stream_id") ?? Int64(line.text("id") ?? "") ?? 0)"
    }

    /// The consumer's calls that carry a trace of their own, by which they are found on the wire.
    private func exchanges(_ capture: JavaCapture, _ log: [Line]) throws -> [TripleExchange] {
        var requests: [String: Line] = [:]
        var replies: [String: Line] = [:]
        for half in capture.streams {
            guard half.text("kind") == "request" else {
                replies[Self.key(half)] = half
                continue
            }
            if let trace = half.texts("attachments")["traceparent"] { requests[trace] = half }
        }
        var finished: [String: Line] = [:]
        for call in capture.calls where call.text("protocol") == "triple" { finished[Self.key(call)] = call }
        var uses: [String: Int] = [:]
        for call in log { uses[call.texts("attachments")["traceparent"] ?? "", default: 0] += 1 }
        return try log.compactMap { call in
            guard let trace = call.texts("attachments")["traceparent"], uses[trace] == 1 else { return nil }
            let request = try #require(requests[trace], "\(trace)")
            let key = Self.key(request)
            return TripleExchange(
                call: call,
                request: request,
                reply: replies[key],
                finished: try #require(finished[key], "\(key)")
            )
        }
    }

    @Test("requests name what the consumer called and carry what it sent", arguments: names)
    func requests(name: String) throws {
        guard let capture = try JavaCapture.named(name) else { return }
        let exchanges = try exchanges(capture, Self.log("\(name).calls"))
        #expect(exchanges.count >= (name == "triple-load" ? 500 : 20))
        for exchange in exchanges {
            let (call, request, finished) = (exchange.call, exchange.request, exchange.finished)
            let id = Comment("\(name) call \(call.number("seq") ?? 0)")
            let service = try #require(call.service)
            let version = service.version == "0.0.0" ? "" : service.version
            #expect(
                request.text("interface") == service.interface && finished.text("interface") == service.interface,
                id
            )
            #expect((request.text("group") ?? "") == service.group && finished.text("group") == service.group, id)
            #expect((request.text("version") ?? "") == version && finished.text("version") == version, id)
            let method = call.text("mode") == "generic-async" ? "$invokeAsync" : call.text("method")
            #expect(request.text("method") == (method == "queryAsync" ? "query" : method), id)
            #expect(finished.text("method") == Self.method(call), id)
            let attachments = request.texts("attachments")
            for (name, value) in call.texts("attachments") {
                // Java writes what is not ASCII as question marks.
                guard value.utf8.allSatisfy({ $0 < 0x80 }) else { continue }
                #expect(attachments[name.lowercased()] == value, id)
            }
            #expect(finished.text("caller") == "shop-consumer", id)
            let trace = call.texts("attachments")["traceparent"].map { String($0.dropFirst(3).prefix(32)) }
            #expect(finished.text("trace_id") == trace && finished.flag("sampled") == true, id)
            let messages = (request["grpc_messages"] as? [Any])?.compactMap { ($0 as? NSNumber)?.intValue } ?? []
            let sent = messages.reduce(0) { $0 + $1 + 5 }
            #expect(!messages.isEmpty && (finished.number("request_bytes") ?? 0) > Int64(sent), id)
            // A text goes as it is into a wrapper or a message.
            if let text = (call["args"] as? [Any])?.first as? String, !text.hasPrefix("\u{0}"), messages.count == 1 {
                #expect(messages[0] >= text.unicodeScalars.count, id)
            }
        }
    }

    @Test("outcomes and exceptions are what the consumer met", arguments: names)
    func outcomes(name: String) throws {
        guard let capture = try JavaCapture.named(name) else { return }
        var classes: Set<String> = []
        for exchange in try exchanges(capture, Self.log("\(name).calls")) {
            let (call, finished) = (exchange.call, exchange.finished)
            let outcome = finished.text("outcome") ?? ""
            let id = Comment("\(name) call \(call.number("seq") ?? 0) \(call.text("method") ?? "") \(outcome)")
            let thrown = (call["exception"] as? Line)?.text("$throwable") ?? ""
            switch outcome {
            case "ok": #expect(call.text("outcome") == "ok" && exchange.reply?.text("grpc_status") == "0", id)
            case "business_error":
                #expect(call.text("outcome") == "exception" && finished.text("exception") == thrown, id)
                classes.insert(thrown)
            case "timeout", "cancelled": #expect(call.number("rpc_code") == 2, id)
            case "server_error", "client_error":
                #expect(call.text("outcome") == "exception" && thrown.hasPrefix("org.apache.dubbo"), id)
            default: Issue.record(id)
            }
            let (from, to) = (call.number("start_us") ?? 0, call.number("end_us") ?? 0)
            let parts = (finished.text("ts") ?? "").split(separator: ".").compactMap { Int64($0) }
            let start = parts[0] * 1_000_000 + parts[1] / 1000
            // The log and the capture are stamped by one clock, but not at the same place.
            #expect(start >= from - 2000 && start <= to + 2000, id)
            guard outcome != "timeout" else { continue }
            #expect(start + (finished.number("duration_us") ?? 0) <= to + 2000, id)
        }
        if name == "triple-all" { #expect(classes.count >= 4 && classes.contains("com.example.shop.OrderException")) }
    }

    @Test("totals by method are those of both peers' logs", arguments: names)
    func totals(name: String) throws {
        guard let capture = try JavaCapture.named(name) else { return }
        func count(_ lines: [Line], _ key: (Line) -> String) -> [String: Int] {
            lines.reduce(into: [:]) { $0[key($1), default: 0] += 1 }
        }
        let calls = capture.calls.filter { $0.text("protocol") == "triple" && $0.text("side") == "provider" }
        let read = count(calls) {
            "\($0.text("group") ?? "")/\($0.text("interface") ?? ""):\($0.text("version") ?? "") \($0.text("method") ?? "")"
        }
        let consumer = count(try Self.log("\(name).calls")) { "\(Self.service($0)) \(Self.method($0))" }
        #expect(!consumer.isEmpty)
        for (key, expected) in consumer { #expect(read[key] == expected, "\(name): \(key)") }
        // The provider's log does not say by which group and version it was reached.
        let byName = count(calls) { "\($0.text("interface") ?? "") \($0.text("method") ?? "")" }
        let run = count(try Self.log("\(name).provider-calls")) { "\($0.service?.interface ?? "") \(Self.method($0))" }
        for (key, count) in run { #expect(byName[key, default: 0] >= count, "\(name): \(key)") }
        // And the numbers are those of the lines.
        let counted = capture.snapshot.operations.filter {
            $0.operation.callProtocol == .triple && $0.side == .provider
        }
        #expect(counted.flatMap(\.results).reduce(0) { $0 + $1.count } == UInt64(calls.count))
        #expect(counted.allSatisfy { $0.inFlight == 0 })
        #expect(
            capture.snapshot.decodeErrors.isEmpty && capture.snapshot.uninspected.filter { $0.key != "opaque" }.isEmpty
        )
    }

    @Test("what streams has metrics of its own")
    func streams() throws {
        guard let capture = try JavaCapture.named("triple-all") else { return }
        let reports = capture.snapshot.operations.filter { $0.operation.callProtocol == .triple }
        for report in reports {
            let results = report.results.reduce(0) { $0 + $1.count }
            #expect(report.duration.count + report.streams.count <= results, "\(report.operation.method)")
        }
        let streaming = reports.filter { $0.streams.count > 0 }
        #expect(!streaming.isEmpty && streaming.allSatisfy { $0.streamedRequests + $0.streamedResponses > 2 })
    }
}
