import Dubbo
import Foundation
import FuzzBodies
import Hessian
import TestSupport
import Testing
import Wire

@Suite struct ReplyPatchTests {
    /// A reply's header, its flags and id of the kind that must be kept.
    private static let header = FrameHeader(flags: 2, status: 20, requestID: 0x8001_0203_0405_0607, bodyBytes: 0)

    private static func hessian(_ write: (inout HessianEncoder) -> Void) -> [UInt8] {
        var encoder = HessianEncoder()
        write(&encoder)
        return encoder.bytes
    }

    private static func map(_ pairs: [(String, String)], type: String? = nil) -> [UInt8] {
        hessian { encoder in
            encoder.beginMap(type: type)
            for (key, value) in pairs {
                encoder.string(key)
                encoder.string(value)
            }
            encoder.end()
        }
    }

    /// The body behind the header that `attaching` wrote, which is checked.
    private func patch(_ body: [UInt8], mayAddMap: Bool = true) throws -> [UInt8]? {
        let patched = ReplyPatch.attaching(
            key: "closing",
            value: "true",
            to: Self.header,
            body,
            mayAddMap: mayAddMap
        )
        guard let patched else { return nil }
        let header = try FrameHeader(patched.span.bytes, at: 0)
        #expect(header.flags == Self.header.flags && header.status == 20)
        #expect(header.requestID == Self.header.requestID && Int(header.bodyBytes) == patched.count - 16)
        return Array(patched.dropFirst(16))
    }

    private static let exception = hessian { encoder in
        encoder.beginObject(HessianClass(name: "com.x.Oops", fieldNames: ["detailMessage"]))
        encoder.string("no")
    }
    private static let value = hessian { $0.string("hi") }
    private static let pair = hex("07 636c6f73696e67 04 74727565")

    @Test("each kind of reply, with and without what dubbo-go writes behind it", arguments: 0..<6, [false, true])
    func kinds(kind: Int, hasTail: Bool) throws {
        let content = kind % 3 == 0 ? Self.exception : kind % 3 == 1 ? Self.value : []
        let tail: [UInt8] = hasTail ? [0x4e] : []
        let lead = [0x90 + UInt8(kind % 3 + 3)] + content
        let others = Self.map([("a", "b")])
        let body = [0x90 + UInt8(kind)] + content + (kind < 3 ? [] : others) + tail
        let expected =
            kind < 3 ? lead + [0x48] + Self.pair + [0x5a] + tail : lead + [0x48] + Self.pair + others.dropFirst() + tail
        #expect(try patch(body) == expected)
        #expect(try patch(body, mayAddMap: false) == (kind < 3 ? nil : expected))
        if kind >= 3 {
            let null = try patch([0x90 + UInt8(kind)] + content + [0x4e] + tail)
            #expect(null == lead + [0x48] + Self.pair + [0x5a] + tail)
        }
    }

    @Test("a map of a class, and one whose class the value has named")
    func typed() throws {
        let typed = Self.map([("a", "b")], type: "java.util.TreeMap")
        let start = typed.count - 5
        #expect(try patch([0x95] + typed) == [0x95] + typed[..<start] + Self.pair + typed[start...])
        let value = Self.map([], type: "java.util.TreeMap")
        let named = hex("4d 90 0161 0162 5a")
        #expect(try patch([0x94] + value + named) == [0x94] + value + named[..<2] + Self.pair + named[2...])
    }

    @Test("references to what the body holds mean the same afterwards")
    func references() throws {
        let value = Self.hessian { encoder in
            encoder.beginMap()
            encoder.string("self")
            encoder.ref(0)
            encoder.end()
        }
        let map = Self.hessian { encoder in
            encoder.beginMap()
            encoder.string("value")
            encoder.ref(0)
            encoder.string("own")
            encoder.ref(1)
            encoder.end()
        }
        let patched = try #require(try patch([0x94] + value + map))
        check([0x94] + value + map, patched)
        check([0x91] + value, try #require(try patch([0x91] + value)))
    }

    @Test("who says so already is left alone; a longer or nested name is another")
    func already() throws {
        #expect(try patch([0x95] + Self.map([("a", "b"), ("closing", "true")])) == nil)
        #expect(try patch([0x95] + Self.map([("closing", "no")]) + [0x4e]) == nil)
        #expect(try patch([0x95] + Self.map([("closin", "g"), ("closingg", "true"), ("a", "closing")])) != nil)
        let nested = Self.hessian { encoder in
            encoder.beginMap()
            encoder.beginMap()
            encoder.string("closing")
            encoder.string("true")
            encoder.end()
            encoder.null()
            encoder.end()
        }
        #expect(try patch([0x95] + nested) != nil)
    }

    @Test(
        "other forms are not touched",
        arguments: [
            "", "8f", "96", "91", "c80091", "4900000001 4e", "92 4e4e", "92 00", "95", "95 5a", "95 0161", "95 5190",
            "95 48", "95 48 0161", "95 48 0161 0162", "95 48 0161 5a", "95 485a 00", "95 4d 485a", "94 48 5a", "90 43",
        ]
    )
    func otherForms(body: String) throws { #expect(try patch(hex(body)) == nil) }

    @Test(
        "versions of consumers that read attachments of replies",
        arguments: [
            ("2.0.2", true), ("2.0.9", true), ("2.0.1", false), ("2.0.0", false), ("2.6.1", false), ("2.0.10", false),
            ("", false), ("2.0.", false), ("2-0.2", false), ("2.0.a", false),
        ]
    )
    func versions(_ version: String, _ isReading: Bool) {
        #expect(ReplyPatch.readsAttachments(version: Array(version.utf8).span.bytes) == isReading)
    }

    // MARK: Damage

    /// Decodes a reply: its kind, and its values as far as they are some.
    private func decode(_ body: [UInt8]) -> (kind: UInt8, values: [HessianValue])? {
        guard let kind = body.first, body.count > 1 || kind == 0x92 else { return nil }
        var decoder = HessianValueDecoder(body.span.bytes.extracting(1..<body.count))
        var values: [HessianValue] = []
        while !decoder.isAtEnd {
            guard let value = try? decoder.value() else { return nil }
            values.append(value)
        }
        return (kind, values)
    }

    /// Checks that a patched reply says what it said, and one attachment more.
    private func check(_ body: [UInt8], _ patched: [UInt8]) {
        let text = hexText(body)
        guard let before = decode(body) else { return }
        guard let after = decode(patched) else {
            Issue.record("cannot be decoded any more: \(text)")
            return
        }
        let hasValue = before.kind != 0x92 && before.kind != 0x95
        #expect(after.kind == (before.kind < 0x93 ? before.kind + 3 : before.kind), "\(text)")
        var expected = before.values
        var added = after.values
        let place = hasValue ? 1 : 0
        guard added.count > place, case .map(var map) = added[place] else {
            Issue.record("no map: \(text)")
            return
        }
        let pair = map.entries.removeFirst()
        #expect(pair.key == .string(Array("closing".utf16)) && pair.value == .string(Array("true".utf16)), "\(text)")
        if before.kind < 0x93 || expected[place] == .null {
            #expect(map.entries.isEmpty && map.className == nil, "\(text)")
            added.remove(at: place)
            if before.kind >= 0x93 { expected.remove(at: place) }
        } else {
            added[place] = .map(map)
        }
        #expect(added == expected, "\(text)")
    }

    /// Replies with something of everything, and those of a real peer.
    private static let bodies: [[UInt8]] = {
        var all: [[UInt8]] = []
        let object = hessian { encoder in
            encoder.beginObject(HessianClass(name: "com.x.Order", fieldNames: ["id", "tags"]))
            encoder.long(1 << 40)
            encoder.beginVariableList()
            encoder.binary([1, 2, 3])
            encoder.double(0.5)
            encoder.end()
        }
        let attachments = map([("dubbo", "2.0.2"), ("ключ", "ü")])
        for tail in [[], [0x4e]] as [[UInt8]] {
            for (kind, content) in [(0, exception), (1, object), (2, [])] as [(UInt8, [UInt8])] {
                all.append([0x90 + kind] + content + tail)
                all.append([0x93 + kind] + content + attachments + tail)
                all.append([0x93 + kind] + content + map([], type: "java.util.TreeMap") + tail)
                all.append([0x93 + kind] + content + [0x4e] + tail)
            }
        }
        return all
    }()

    private static let recorded: [(header: FrameHeader, body: [UInt8])] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Goldens/dubbo-frames/replies.bin")
        var rest = ((try? Data(contentsOf: file)).map { [UInt8]($0) } ?? [])[...]
        var all: [(header: FrameHeader, body: [UInt8])] = []
        while rest.count >= 16, let header = try? FrameHeader(Array(rest.prefix(16)).span.bytes, at: 0) {
            all.append((header, Array(rest.dropFirst(16).prefix(Int(header.bodyBytes)))))
            rest = rest.dropFirst(16 + Int(header.bodyBytes))
        }
        return all
    }()

    @Test("replies of a Java provider: all that have one of the forms, and they mean the same")
    func java() throws {
        var patched = 0
        for (header, body) in Self.recorded where header.status == 20 && header.flags == 2 {
            let longer = try #require(try patch(body), "\(hexText(body))")
            check(body, longer)
            patched += 1
        }
        #expect(patched > 50)
    }

    @Test("every prefix of every reply")
    func prefixes() throws {
        for body in Self.bodies + Self.recorded.prefix(60).map(\.body) {
            for count in 0...body.count {
                let prefix = Array(body.prefix(count))
                if let longer = try patch(prefix) { check(prefix, longer) }
            }
        }
    }

    @Test("every bit flipped")
    func flips() throws {
        for body in Self.bodies + Self.recorded.prefix(40).map(\.body) where body.count < 600 {
            for bit in 0..<body.count * 8 {
                var damaged = body
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
                if let longer = try patch(damaged) { check(damaged, longer) }
            }
        }
    }
}
