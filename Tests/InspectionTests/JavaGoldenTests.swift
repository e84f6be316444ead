import Calls
import Foundation
import Inspection
import Telemetry
import Testing

/// A message as the frame logs name it: who opened the connection, which way it went, what it is, its id.
private struct MessageKey: Hashable, CustomStringConvertible {
    var client: String
    var isFromClient: Bool
    var isRequest: Bool
    var id: Int64

    init(message: Line) {
        client = message.text("client") ?? ""
        isFromClient = message.text("dir") == "c2s"
        isRequest = message.text("kind") == "request"
        id = message.number("request_id") ?? 0
    }

    init(frame: Line, isConsumersLog: Bool) {
        client = frame.text(isConsumersLog ? "local" : "remote") ?? ""
        isFromClient = (frame.text("ev") == "send") == isConsumersLog
        isRequest = frame.text("kind") == "request"
        id = frame.number("id") ?? 0
    }

    init(client: String, isFromClient: Bool, isRequest: Bool, id: Int64) {
        self.client = client
        self.isFromClient = isFromClient
        self.isRequest = isRequest
        self.id = id
    }

    var description: String { "\(client) \(isFromClient ? "c2s" : "s2c") \(isRequest ? "request" : "reply") \(id)" }
}

/// What one consumer's call was on the wire.
private struct Exchange {
    var call: Line
    var request: Line
    var reply: Line?
    /// Weir's own line for the call.
    var finished: Line
}

@Suite struct JavaGoldenTests {
    private func byKey(_ capture: JavaCapture) -> [MessageKey: Line] {
        Dictionary(capture.messages.map { (MessageKey(message: $0), $0) }) { first, _ in first }
    }

    @Test("every frame that Dubbo's own codec logged was read, and no other", arguments: JavaCapture.names)
    func frames(name: String) throws {
        guard let capture = try JavaCapture.named(name) else { return }
        let messages = byKey(capture)
        #expect(messages.count == capture.messages.count)
        var seen: Set<MessageKey> = []
        for (log, isConsumersLog) in [(capture.frames, true), (capture.providerFrames, false)] {
            // A reply that could not be serialised is logged twice by the one who tried.
            let failed = Set(
                log.filter { $0.number("status") == 50 }.map { MessageKey(frame: $0, isConsumersLog: isConsumersLog) }
            )
            for frame in log {
                let key = MessageKey(frame: frame, isConsumersLog: isConsumersLog)
                if failed.contains(key), frame.number("status") == 20 { continue }
                // What the provider wrote when the consumer had gone was perhaps never sent.
                if messages[key] == nil, !isConsumersLog, frame.text("ev") == "send", !seen.contains(key) { continue }
                seen.insert(key)
                let message = try #require(messages[key], "\(key)")
                check(message, frame, key)
            }
        }
        #expect(Set(messages.keys) == seen)
    }

    private func check(_ message: Line, _ frame: Line, _ key: MessageKey) {
        #expect(message.text("protocol") == "dubbo2" && message.flag("event") == frame.flag("event"), "\(key)")
        #expect(message.text("server") == "127.0.0.1:20880", "\(key)")
        if frame.text("ev") == "send" {
            // The receiver's number is that of the read that held the frame.
            #expect(message.number("body_len").map { $0 + 16 } == frame.number("bytes"), "\(key)")
        }
        if key.isRequest {
            #expect(message.flag("two_way") == frame.flag("twoway"), "\(key)")
        } else {
            // 90 is the consumer's own mark for a reply that came too late.
            let status = frame.number("status") == 90 ? 20 : frame.number("status")
            #expect(message.number("status") == status, "\(key)")
        }
        guard frame.flag("event") == false else {
            let payload = frame.text("event_data").map { ["R": "readonly", "W": "writeable"][$0] ?? $0 } ?? "heartbeat"
            #expect(message.text("event_data") == payload, "\(key)")
            return
        }
        guard let service = frame.service else { return }
        #expect(
            message.text("interface") == service.interface && message.text("method") == frame.text("method"),
            "\(key)"
        )
        // 2.6 logs the interface alone.
        guard frame.text("service") != service.interface else { return }
        #expect(message.text("group") == service.group && message.text("version") == service.version, "\(key)")
    }

    /// The consumer's calls with what was read of them, by way of the ids in its frame log.
    private func exchanges(_ capture: JavaCapture) throws -> [Exchange] {
        let messages = byKey(capture)
        var finished: [String: Line] = [:]
        for call in capture.calls {
            finished["\(call.text("client") ?? "") \(call.text("side") ?? "") \(call.text("id") ?? "")"] = call
        }
        var frames: [Int64: Line] = [:]
        for frame in capture.frames where frame.text("kind") == "request" {
            if let seq = frame.number("seq") { frames[seq] = frame }
        }
        return try capture.consumerCalls.compactMap { call in
            guard let seq = call.number("seq"), let frame = frames[seq] else { return nil }
            let key = MessageKey(frame: frame, isConsumersLog: true)
            var replyKey = key
            replyKey.isFromClient = false
            replyKey.isRequest = false
            return Exchange(
                call: call,
                request: try #require(messages[key], "\(key)"),
                reply: messages[replyKey],
                finished: try #require(finished["\(key.client) provider \(key.id)"], "\(key)")
            )
        }
    }

    @Test("requests carry what the consumer says it sent", arguments: JavaCapture.names)
    func requests(name: String) throws {
        guard let capture = try JavaCapture.named(name) else { return }
        let exchanges = try exchanges(capture)
        #expect(exchanges.count >= capture.consumerCalls.count - 1 && !exchanges.isEmpty)
        for exchange in exchanges {
            let (call, request) = (exchange.call, exchange.request)
            let id = Comment("\(name) call \(call.number("seq") ?? 0)")
            let service = try #require(call.service)
            #expect(request.text("interface") == service.interface && request.text("group") == service.group, id)
            // The log calls an asynchronous generic call a generic one.
            let method = call.text("mode") == "generic-async" ? "$invokeAsync" : call.text("method")
            #expect(request.text("version") == service.version && request.text("method") == method, id)
            #expect(request.text("param_desc") == descriptor(call["ptypes"] as? [String] ?? []), id)
            let isGeneric = call.text("mode")?.hasPrefix("generic") == true
            #expect(
                request.text("generic_method") == (isGeneric ? (call["args"] as? [Any])?.first as? String : nil),
                id
            )
            let attachments = request.texts("attachments")
            for (key, value) in call.texts("attachments") { #expect(attachments[key] == value, id) }
            #expect(request.number("serialization_id") == (name == "dubbo-fastjson2" ? 23 : 2), id)
            // And Weir's line of the call says the same.
            let finished = exchange.finished
            #expect(finished.text("interface") == service.interface && finished.text("group") == service.group, id)
            #expect(finished.text("version") == (service.version == "0.0.0" ? "" : service.version), id)
            #expect(finished.text("method") == request.text("generic_method") ?? call.text("method"), id)
            #expect(finished.text("caller") == attachments["remote.application"] ?? "", id)
            #expect(finished.number("request_bytes") == request.number("body_len").map { $0 + 16 }, id)
            let traced = call.texts("attachments")["traceparent"].map { String($0.dropFirst(3).prefix(32)) }
            if let traced { #expect(finished.text("trace_id") == traced && finished.flag("sampled") == true, id) }
        }
    }

    /// The JVM descriptor of Java type names.
    private func descriptor(_ types: [String]) -> String {
        let primitives = [
            "int": "I", "long": "J", "boolean": "Z", "byte": "B", "short": "S", "char": "C", "float": "F",
            "double": "D",
        ]
        return types.map { type in
            primitives[type] ?? (type.hasPrefix("[") ? type : "L\(type);").replacing(".", with: "/")
        }.joined()
    }

    @Test("attachments are those that the provider was given", arguments: JavaCapture.names)
    func providerAttachments(name: String) throws {
        guard let capture = try JavaCapture.named(name) else { return }
        func key(_ client: String?, _ method: String?, _ bytes: Int64, _ attachments: [String: String]) -> String {
            let pairs = attachments.filter { $0.key != "input" && $0.key != "dubbo" }.sorted { $0.key < $1.key }
            return "\(client ?? "") \(method ?? "") \(bytes) "
                + pairs.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        }
        var requests: [String: Int] = [:]
        for message in capture.messages where message.text("kind") == "request" && message.flag("event") == false {
            let bytes = (message.number("body_len") ?? 0) + 16
            requests[
                key(message.text("client"), message.text("method"), bytes, message.texts("attachments")),
                default: 0
            ] += 1
        }
        #expect(!capture.providerCalls.isEmpty)
        for call in capture.providerCalls {
            let attachments = call.texts("attachments")
            let bytes = attachments["input"].flatMap { Int64($0) } ?? 0
            let key = key(call.text("peer"), call.text("method"), bytes, attachments)
            #expect(requests[key, default: 0] > 0, "\(name): \(key)")
            requests[key, default: 0] -= 1
        }
    }

    @Test("exceptions are those that the consumer caught", arguments: JavaCapture.names)
    func exceptions(name: String) throws {
        guard let capture = try JavaCapture.named(name) else { return }
        var checked = 0
        for exchange in try exchanges(capture) {
            let id = Comment("\(name) call \(exchange.call.number("seq") ?? 0) \(exchange.call.text("method") ?? "")")
            guard let thrown = exchange.call["exception"] as? Line else {
                #expect(exchange.reply?["exception_class"] is NSNull? && exchange.finished.text("exception") == "", id)
                continue
            }
            guard let reply = exchange.reply else { continue }
            let named = thrown.text("$throwable") ?? ""
            // Dubbo's own are made by the consumer of what the reply says.
            let isLocal = ["org.apache.dubbo", "com.alibaba.dubbo", "java.util.concurrent"].contains {
                named.hasPrefix($0)
            }
            if reply.number("status") != 20 {
                let text = try #require(reply.text("exception_message"), id)
                #expect(!text.isEmpty && isLocal, id)
                if let message = thrown.text("message") { #expect(message.contains(text), id) }
            } else if !isLocal {
                #expect(reply.text("exception_class") == named, id)
                if let message = thrown["message"] as? String {
                    #expect(reply.text("exception_message") == message, id)
                } else if thrown["message"] is NSNull {
                    #expect(reply["exception_message"] is NSNull, id)
                }
                #expect(exchange.finished.text("exception") == named, id)
                checked += 1
            }
        }
        if name.hasPrefix("dubbo-all") { #expect(checked >= 7) }
    }

    @Test("outcomes are what the consumer met", arguments: JavaCapture.names)
    func outcomes(name: String) throws {
        guard let capture = try JavaCapture.named(name) else { return }
        for exchange in try exchanges(capture) {
            let (call, finished) = (exchange.call, exchange.finished)
            let id = Comment(
                "\(name) call \(call.number("seq") ?? 0) \(call.text("method") ?? "") \(finished.text("outcome") ?? "")"
            )
            let status = exchange.reply?.number("status")
            switch finished.text("outcome") {
            case "oneway": #expect(call.text("mode") == "oneway" && exchange.reply == nil, id)
            case "ok": #expect(call.text("outcome") == "ok" && status == 20, id)
            case "business_error":
                #expect(call.text("outcome") == "exception" && status == 20 && finished.text("code") == "OK", id)
                #expect(exchange.reply?.text("exception_class") != nil, id)
            case "client_error": #expect(call.text("outcome") == "exception" && status == 40, id)
            case "server_error":
                #expect(call.text("outcome") == "exception" && [50, 70, 100].contains(status), id)
            case "timeout":
                #expect(call.text("outcome") == "exception" && call.number("rpc_code") == 2, id)
                #expect(finished.text("code") == "", id)
            default: Issue.record(id)
            }
            guard finished.text("outcome") != "oneway", finished.text("outcome") != "timeout" else { continue }
            #expect(finished.number("response_bytes") == exchange.reply?.number("body_len").map { $0 + 16 }, id)
        }
    }

    @Test("a call lies between the consumer's start and end of it", arguments: JavaCapture.names)
    func durations(name: String) throws {
        guard let capture = try JavaCapture.named(name) else { return }
        // The logs and the capture are stamped by one clock, but not at the same place: 2 ms of tolerance.
        let tolerance: Int64 = 2000
        for exchange in try exchanges(capture) {
            let (call, finished) = (exchange.call, exchange.finished)
            let id = Comment("\(name) call \(call.number("seq") ?? 0)")
            let parts = (finished.text("ts") ?? "").split(separator: ".").compactMap { Int64($0) }
            let start = parts[0] * 1_000_000 + parts[1] / 1000
            let duration = finished.number("duration_us") ?? -1
            let (from, to) = (call.number("start_us") ?? 0, call.number("end_us") ?? 0)
            #expect(start >= from - tolerance, id)
            // A oneway call may return before it is written.
            guard finished.text("outcome") != "oneway" else { continue }
            #expect(start <= to + tolerance, id)
            if finished.text("outcome") == "timeout" {
                // Given up at the deadline that the request names.
                let timeout = exchange.request.texts("attachments")["timeout"].flatMap { Int64($0) }
                #expect(timeout.map { $0 * 1000 } == duration, id)
            } else {
                #expect(duration >= 0 && start + duration <= to + tolerance, id)
            }
        }
    }

    @Test("totals by operation are those of both peers' logs", arguments: JavaCapture.names)
    func totals(name: String) throws {
        guard let capture = try JavaCapture.named(name) else { return }
        func count(_ lines: [Line], _ key: (Line) -> String?) -> [String: Int] {
            lines.reduce(into: [:]) { counts, line in if let key = key(line) { counts[key, default: 0] += 1 } }
        }
        /// The method on the wire: Weir counts a generic call under the one it names.
        func logged(_ line: Line) -> String? {
            let named = (line["args"] as? [Any])?.first as? String
            let method = line.text("method")?.hasPrefix("$invoke") == true ? named : line.text("method")
            return line.service.map { service in
                let version = service.version == "0.0.0" ? "" : service.version
                return "\(service.interface) \(service.group) \(version) \(method ?? "")"
            }
        }
        func read(_ line: Line) -> String? {
            "\(line.text("interface") ?? "") \(line.text("group") ?? "") \(line.text("version") ?? "") \(line.text("method") ?? "")"
        }
        let sent = Set(capture.frames.compactMap { $0.number("seq") })
        let consumer = count(capture.consumerCalls.filter { sent.contains($0.number("seq") ?? -1) }, logged)
        let calls = capture.calls.filter { $0.text("side") == "provider" && $0.text("protocol") == "dubbo" }
        // Calls that the consumer's framework made of itself have no line in its log.
        let read = count(calls, read)
        for (key, expected) in consumer { #expect(read[key] == expected, "\(key)") }
        #expect(
            calls.count
                == capture.frames.filter {
                    $0.text("ev") == "send" && $0.text("kind") == "request" && $0.flag("event") == false
                }.count
        )
        // Whatever the provider's implementation ran was called.
        for (key, run) in count(capture.providerCalls, logged) { #expect(read[key, default: 0] >= run, "\(key)") }
        let callbacks = capture.calls.filter { $0.text("side") == "consumer" }
        #expect(
            count(callbacks) { $0.text("method") }
                == count(capture.callbacks.isEmpty ? callbacks : capture.callbacks) { $0.text("method") }
        )
        #expect(
            capture.snapshot.uninspected.filter { $0.key != "opaque" }.isEmpty && capture.snapshot.decodeErrors.isEmpty
        )
    }

    @Test("exception classes are counted as often as consumers caught them", arguments: JavaCapture.names)
    func exceptionCounts(name: String) throws {
        guard let capture = try JavaCapture.named(name) else { return }
        var expected: [String: UInt64] = [:]
        for exchange in try exchanges(capture) where exchange.finished.text("outcome") == "business_error" {
            let named = exchange.reply?.text("exception_class") ?? "?"
            expected["\(exchange.finished.text("method") ?? "") \(named)", default: 0] += 1
        }
        var counted: [String: UInt64] = [:]
        let reports = capture.snapshot.operations.filter { $0.side == .provider && $0.operation.callProtocol == .dubbo }
        for report in reports {
            for exception in report.exceptions {
                counted["\(report.operation.method) \(exception.className)", default: 0] += exception.count
            }
        }
        #expect(counted == expected)
    }

    @Test("the late reply of the call that was given up is counted")
    func lateReplies() throws {
        for (name, late) in [("dubbo-all", 1), ("dubbo-c26-p33", 1), ("dubbo-load", 0)] {
            guard let capture = try JavaCapture.named(name) else { return }
            #expect(capture.snapshot.operations.reduce(0) { $0 + $1.lateReplies } == UInt64(late), "\(name)")
        }
    }

    @Test("events of the shutdown, by their side")
    func events() throws {
        guard let capture = try JavaCapture.named("dubbo-heartbeat-shutdown") else { return }
        #expect(capture.snapshot.events(.provider) == [.heartbeat: 6])
        #expect(capture.snapshot.events(.consumer) == [.readonly: 2])
        #expect(capture.snapshot.heartbeatRoundTrips.first { $0.side == .provider }?.duration.count == 6)
    }

    @Test("Triple is not taken for Dubbo", arguments: JavaCapture.tripleNames)
    func triple(name: String) throws {
        guard let capture = try JavaCapture.named(name) else { return }
        #expect(!capture.messages.contains { $0.text("protocol") == "dubbo2" })
        #expect(!capture.calls.contains { $0.text("protocol") == "dubbo" })
        #expect(capture.snapshot.decodeErrors.allSatisfy { $0.connectionProtocol != .dubbo })
    }
}
