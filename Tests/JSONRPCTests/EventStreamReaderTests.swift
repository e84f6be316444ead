import JSONRPC
import TestSupport
import Testing
import Wire

/// One event as it was told.
private struct Event: Equatable, CustomStringConvertible {
    var data: String
    var kind = EventStreamReader.Kind.message

    var description: String { "\(kind) \(data.debugDescription)" }
}

/// What reading came to.
private struct Reading: Equatable {
    var events: [Event] = []
    var hasEventID = false
    var hasRetry = false
    /// The data of an event that has not ended.
    var rest: [UInt8] = []
}

private func read(_ pieces: [ArraySlice<UInt8>]) -> Reading {
    var reader = EventStreamReader()
    var result = Reading()
    for piece in pieces {
        let bytes = Array(piece)
        var at = 0
        loop: while true {
            let before = at
            switch reader.read(bytes.span.bytes, &at) {
            case .needsMore:
                #expect(at == bytes.count)
                break loop
            case .data:
                #expect(reader.dataStart >= before && reader.dataStart < at)
                result.rest += bytes[reader.dataStart..<at]
            case .nextLine: result.rest.append(0x0a)
            case .event:
                result.events.append(Event(data: String(decoding: result.rest, as: UTF8.self), kind: reader.kind))
                result.rest = []
            }
        }
    }
    result.hasEventID = reader.hasEventID
    result.hasRetry = reader.hasRetry
    return result
}

/// The same by the letter of the standard: decode everything, then line by line.
private func interpret(_ bytes: [UInt8]) -> [Event] {
    var text = bytes[...]
    if text.starts(with: [0xef, 0xbb, 0xbf]) { text = text.dropFirst(3) }
    var lines: [[UInt8]] = []
    var line: [UInt8] = []
    var isAfterCR = false
    for byte in text {
        defer { isAfterCR = byte == 0x0d }
        if byte == 0x0a, isAfterCR { continue }
        if byte == 0x0a || byte == 0x0d {
            lines.append(line)
            line = []
        } else {
            line.append(byte)
        }
    }
    var events: [Event] = []
    var data: [UInt8] = []
    var type: [UInt8] = []
    for line in lines {
        guard !line.isEmpty else {
            if !data.isEmpty {
                let name = String(decoding: type, as: UTF8.self)
                let kind: EventStreamReader.Kind = ["", "message"].contains(name) ? .message : .other
                let text = String(decoding: data.dropLast(), as: UTF8.self)
                events.append(Event(data: text, kind: name == "endpoint" ? .endpoint : kind))
            }
            (data, type) = ([], [])
            continue
        }
        let colon = line.firstIndex(of: 0x3a) ?? line.count
        var value = line.dropFirst(colon + 1)
        if value.first == 0x20 { value = value.dropFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "data": data += value + [0x0a]
        case "event": type = Array(value)
        default: break
        }
    }
    return events
}

/// Server-sent events: WHATWG HTML, 9.2.
@Suite struct EventStreamReaderTests {
    static let streams: [String] = [
        "data: one\n\n", "data:one\r\n\r\ndata:  two\r\rdata:three\n\n", "data: YHOO\ndata: +2\ndata: 10\n\n",
        ": a comment\n\n:\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n", "data\n\ndata\ndata\n\ndata:",
        "data:test\n\ndata: test\n\n", "event: endpoint\ndata: /messages?x=1\n\n",
        "data: 1\nevent: message\n\ndata: 2\n\n",
        "event: other\n\ndata: not other\n\n", "event:message\ndata: a:b: c\nretry: 10\n\nid: 7\n\n", "\n\n\r\r\n\n",
        "\u{feff}data: marked\n\n", "\u{feff}\u{feff}data: x\n\n", " data: x\ndata : y\nDATA: z\n\n", "data: unended",
        "data: {\"a\":\ndata: \"中文\"}\n\n", "eventually: x\nevent: endpoints\ndata: y\n\n", "data: cut\r\n\r",
        "data:\n\n",
        "data: " + String(repeating: "x", count: 300) + "\n\n",
        "event: " + String(repeating: "m", count: 40) + "\ndata: 1\n\n",
    ]

    @Test("events are what the standard makes of them, however they are cut", arguments: streams)
    func everySplit(_ stream: String) {
        let bytes = Array(stream.utf8)
        let whole = read([bytes[...]])
        #expect(whole.events == interpret(bytes))
        for size in [1, 2, 3, 5] {
            let pieces = stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
            #expect(read(pieces) == whole, "pieces of \(size)")
        }
        for cut in 0...bytes.count where read([bytes[..<cut], bytes[cut...]]) != whole { Issue.record("cut at \(cut)") }
    }

    @Test("half a byte order mark is none")
    func halfMark() {
        for bytes in [[0xef] + Array("data: 1\n\n".utf8), [0xef, 0xbb] + Array("data: 1\n\ndata: 2\n\n".utf8)] {
            let whole = read([bytes[...]])
            #expect(whole.events == interpret(bytes))
            #expect(read([bytes[..<1], bytes[1...]]) == whole)
        }
    }

    @Test("ids and times to connect again are noticed")
    func fields() {
        #expect(read([Array("data: 1\n\n".utf8)[...]]).hasEventID == false)
        let named = read([Array("id: 3\ndata:\n\nretry: 500\n\n".utf8)[...]])
        #expect(named.hasEventID && named.hasRetry)
    }

    @Test("random lines are read as the standard says")
    func random() {
        let seed: UInt64 = 20_260_728
        var random = SeededRandom(seed: seed)
        let parts = [
            "data", "event", "id", ":", " ", "\n", "\r", "\r\n", "endpoint", "message", "x", "\n\n", "data: ", "é",
        ]
        for round in 0..<2_000 {
            let count = Int.random(in: 0..<30, using: &random)
            let text = (0..<count).map { _ in parts[Int.random(in: 0..<parts.count, using: &random)] }.joined()
            let bytes = Array(text.utf8)
            let whole = read([bytes[...]])
            #expect(whole.events == interpret(bytes), "seed \(seed) round \(round) \(text.debugDescription)")
            let size = Int.random(in: 1..<8, using: &random)
            let pieces = stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
            #expect(read(pieces) == whole, "seed \(seed) round \(round) \(text.debugDescription)")
        }
    }

    @Test("a megabyte of data in one line costs no memory")
    func noAllocation() {
        let bytes = Array("data: ".utf8) + [UInt8](repeating: 0x61, count: 1 << 20) + Array("\n\n".utf8)
        var seen = 0
        let count = allocationsWhenWarm {
            var reader = EventStreamReader()
            for start in stride(from: 0, to: bytes.count, by: 4096) {
                let piece = bytes.span.bytes.extracting(start..<min(start + 4096, bytes.count))
                var at = 0
                while reader.read(piece, &at) != .needsMore { seen += 1 }
            }
        }
        #expect(count == 0)
        #expect(seen > 256)
    }

    @Test("content types and what clients accept")
    func types() {
        func isStream(_ text: String) -> Bool { EventStreamReader.isContentType(Array(text.utf8).span.bytes) }
        func isAccepted(_ text: String) -> Bool { EventStreamReader.isAccepted(Array(text.utf8).span.bytes) }
        for text in ["text/event-stream", "Text/Event-Stream; charset=utf-8", "text/event-stream ;a=b"] {
            #expect(isStream(text))
        }
        for text in ["", "text/event-streams", "text/plain", "text/event-strea"] { #expect(!isStream(text)) }
        #expect(isAccepted("application/json, text/event-stream"))
        #expect(isAccepted("text/event-stream;q=0.5,*/*"))
        #expect(!isAccepted("*/*"))
        #expect(!isAccepted("text/html,, application/json"))
    }
}
