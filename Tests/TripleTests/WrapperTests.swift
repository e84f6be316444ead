import TestSupport
import Testing
import Triple
import Wire

@Suite struct WrapperTests {
    /// A field of bytes.
    static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        var length: [UInt8] = []
        var left = bytes.count
        repeat {
            length.append(UInt8(left & 0x7f) | (left > 0x7f ? 0x80 : 0))
            left >>= 7
        } while left > 0
        return [number << 3 | 2] + length + bytes
    }

    static func field(_ number: UInt8, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }

    private func method(_ message: [UInt8]) -> String? {
        let span = message.span.bytes
        guard let wrapper = TripleRequestWrapper(span), let name = wrapper.genericMethod(in: span) else { return nil }
        return span.slice(name).text
    }

    private func exceptionClass(_ message: [UInt8]) -> String? {
        let span = message.span.bytes
        guard let wrapper = TripleResponseWrapper(span) else { return nil }
        return span.slice(wrapper.exceptionClass).text
    }

    @Test("the generic calls of Dubbo Java name their methods")
    func javaGeneric() throws {
        #expect(JavaMessages.generic.count == 6)
        for (call, name, text) in JavaMessages.generic {
            let message = Array(hex(text).dropFirst(5))
            #expect(method(message) == name, "\(call)")
            let found = TripleRequestWrapper(message.span.bytes)
            let wrapper = try #require(found)
            #expect(wrapper.argumentCount == 3 && wrapper.argumentTypeCount == 3)
            // Cut off anywhere, the method is the right one or none.
            var known = 0
            for count in 0...message.count {
                let found = method(Array(message[..<count]))
                #expect(found == nil || found == name)
                if found != nil { known += 1 }
            }
            #expect(known >= message.count - 30, "\(call): \(known) of \(message.count)")
        }
    }

    /// What a reader finds in a message, in pieces of so many bytes, and with how many bytes it knew.
    private func read(_ message: [UInt8], _ piece: Int) -> (name: String?, isOver: Bool) {
        var reader = TripleMethodReader()
        var rest = message[...]
        while !rest.isEmpty {
            let bytes = Array(rest.prefix(piece))
            reader.take(bytes.span.bytes)
            rest = rest.dropFirst(piece)
        }
        return (reader.method.map { String(decoding: $0, as: UTF8.self) }, reader.isOver)
    }

    @Test("a message in pieces names the same method, whatever stands in front of it or behind")
    func inPieces() {
        for (call, name, text) in JavaMessages.generic {
            let message = Array(hex(text).dropFirst(5))
            let long = Self.field(9, [UInt8](repeating: 0xff, count: 100_000))
            for whole in [
                message, long + message, [0x48, 0x96, 0x01] + [0x51] + [UInt8](repeating: 7, count: 8) + message,
            ] {
                for piece in [1, 2, 7, 1000, whole.count] {
                    #expect(read(whole, piece) == (name, true), "\(call) in \(piece)")
                    // What comes behind, be it no message at all, changes nothing.
                    #expect(read(whole + [0x07, 0x0a, 0x01], piece) == (name, true), "\(call) in \(piece)")
                }
            }
        }
    }

    @Test("what names nothing is over as soon as that is known, in any pieces")
    func nothing() {
        let serialization = Self.field(1, "hessian4")
        let endless: [[UInt8]] = [
            [0x00], [0x0b], [UInt8](repeating: 0x80, count: 11), [0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f],
            Self.field(1, [UInt8](repeating: 0x41, count: 600)), Self.field(2, [UInt8](repeating: 0x41, count: 511)),
            serialization + Self.field(2, [0x4e]), Self.field(2, [0x01]) + Self.field(1, "none"),
            (0..<257).flatMap { _ in Self.field(5, []) },
        ]
        for message in endless {
            for piece in [1, 3, message.count] { #expect(read(message, piece) == (nil, true), "\(message.prefix(9))") }
        }
        for message in [[], serialization, [0x0a, 0x85], Self.field(2, [0x01, 0x61]), [0x09, 1, 2]] {
            for piece in [1, 3, 9] { #expect(read(message, piece) == (nil, false), "\(message.prefix(9))") }
        }
    }

    @Test("pieces do not matter, whatever the bytes")
    func anyBytes() {
        var random = SeededRandom(seed: 5)
        for round in 0..<5000 {
            var message = Array(hex(JavaMessages.generic[round % 6].2).dropFirst(5).prefix(round % 3 == 0 ? 40 : 1000))
            for _ in 0..<Int.random(in: 0..<4, using: &random) {
                message[Int.random(in: 0..<message.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let whole = read(message, message.count)
            for piece in [1, 2, 5, 30] { #expect(read(message, piece) == whole, "round \(round)") }
        }
    }

    @Test("the exceptions of Dubbo Java name their classes")
    func javaExceptions() {
        #expect(JavaMessages.exceptions.count == 9)
        for (call, name, text) in JavaMessages.exceptions {
            let message = Array(hex(text).dropFirst(5))
            #expect(exceptionClass(message) == name, "\(call)")
            for count in 0...message.count {
                let found = exceptionClass(Array(message[..<count]))
                #expect(found == nil || found == "" || found == name, "\(call)")
            }
        }
    }

    @Test("fields may come in any order, with others between them")
    func order() {
        let fields = [
            Self.field(1, "hessian4"), Self.field(2, hex("0561 64644974")), Self.field(3, "java.lang.String"),
            [0x20, 0x96, 0x01], [0x29] + [UInt8](repeating: 1, count: 8), [0x35, 1, 2, 3, 4], Self.field(15, "x"),
        ]
        var random = SeededRandom(seed: 5)
        for _ in 0..<500 {
            let message = Array(fields.shuffled(using: &random).joined())
            #expect(method(message) == "addIt")
        }
    }

    @Test(
        "the name in each serialization",
        arguments: [
            ("hessian4", "04 66696e64", "find"), ("hessian2", "04 66696e64", "find"),
            ("hessian4", "30 04 66696e64", "find"), ("hessian4", "53 0004 66696e64", "find"),
            ("hessian4", "02 e6b3 9be58c96", "泛化"), ("hessian4", "02 f09f9880", "😀"), ("hessian4", "02 c3a9 61", "éa"),
            ("hessian4", "00", nil), ("hessian4", "4e", nil), ("hessian4", "91", nil), ("hessian4", "52 0001 61", nil),
            ("hessian4", "04 66696e", nil), ("hessian4", "03 66696e64", nil), ("hessian4", "02 f0", nil),
            ("hessian4", "", nil), ("hessian4", "33", nil), ("hessian4", "01 ff", nil),
            ("fastjson2", "00000005 4d66696e64", "find"), ("fastjson2", "00000006 79 04 66696e64", "find"),
            ("fastjson2", "00000007 7a 3804 66696e64", "find"), ("fastjson2", "22 66696e64 22", "find"),
            ("fastjson2", "00000006 4d66696e64", nil), ("fastjson2", "00000005 4c66696e64", nil),
            ("fastjson2", "00000001 af", nil), ("fastjson2", "00000002 79 48", nil),
            ("msgpack", "a4 66696e64", "find"), ("msgpack", "d904 66696e64", "find"),
            ("msgpack", "da0004 66696e64", "find"), ("msgpack", "a3 66696e64", nil), ("msgpack", "c0", nil),
            ("msgpack", "d9", nil), ("msgpack", "", nil), ("gson", "22 66696e64 22", "find"),
            ("gson", "22 5c75 22", nil), ("gson", "22 61226222", nil), ("gson", "22", nil), ("gson", "6e756c6c", nil),
            ("gson", "2222", nil), ("nativejava", "aced0005", nil),
        ] as [(String, String, String?)]
    )
    func serializations(serialization: String, value: String, name: String?) {
        let message = Self.field(1, serialization) + Self.field(2, hex(value)) + Self.field(2, "second")
        #expect(method(message) == name)
    }

    @Test("a call without arguments, without serialization or with a name cut off names no method")
    func unknown() {
        #expect(method(Self.field(1, "hessian4")) == nil)
        #expect(method(Self.field(2, hex("0161"))) == nil)
        #expect(method([]) == nil)
        #expect(method(Self.field(1, "hessian4") + [0x12, 0x05, 0x04, 0x66]) == nil)
        #expect(method([0x0a]) == nil && method([0x0a, 0x08, 0x68]) == nil)
    }

    @Test("what is no protobuf message is no wrapper")
    func malformed() {
        let front = Self.field(1, "hessian4") + Self.field(2, hex("0161"))
        let tails = ["0b", "0c", "07", "00", "1a ffffffff0f", "20 ffffffffffffffffffffff", "8080808080808080808001"]
        for tail in tails { #expect(method(front + hex(tail)) == nil, "\(tail)") }
        #expect(method(front + hex("20 ffffffffffffffffff01")) == "a")
        // Only so many fields are looked at.
        let many = [UInt8](Array(repeating: [0x20, 0x01] as [UInt8], count: 300).joined())
        #expect(method(many + front) == nil)
        #expect(method(front + many) == "a")
    }

    @Test("the exception's class in the other forms")
    func otherExceptions() {
        let wrapper = Self.field(1, "java") + Self.field(2, "hessian2") + Self.field(3, "a.B") + Self.field(4, "x")
        #expect(exceptionClass(wrapper) == "a.B")
        #expect(exceptionClass(Self.field(1, "hessian4") + Self.field(2, hex("4d 03 612e42"))) == "a.B")
        #expect(exceptionClass(Self.field(1, "fastjson2") + Self.field(2, hex("000000ff 92 4c612e42"))) == "a.B")
        #expect(exceptionClass(Self.field(1, "fastjson2") + Self.field(2, hex("000000ff 4c612e42"))) == "")
        #expect(exceptionClass(Self.field(1, "msgpack") + Self.field(2, "x") + Self.field(3, "void")) == "")
        #expect(exceptionClass(Self.field(1, "hessian4") + Self.field(2, hex("4e")) + Self.field(3, "void")) == "")
        #expect(exceptionClass([]) == "" && exceptionClass([0x07]) == nil)
    }

    @Test("random bytes never trap and give ranges inside the message")
    func garbage() {
        var random = SeededRandom(seed: 6)
        let seeds =
            JavaMessages.generic.map { Array(hex($0.message).dropFirst(5)) }
            + JavaMessages.exceptions.map { Array(hex($0.message).dropFirst(5)) }
        for round in 0..<20_000 {
            var message = seeds[round % seeds.count]
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                message[Int.random(in: 0..<message.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            message.removeLast(Int.random(in: 0..<message.count, using: &random))
            if round % 4 == 0 { message.shuffle(using: &random) }
            _ = method(message)
            _ = exceptionClass(message)
            guard let wrapper = TripleRequestWrapper(message.span.bytes) else { continue }
            #expect(wrapper.firstArgument.indices.upperBound <= message.count)
        }
    }

    @Test("looking at a wrapper allocates nothing")
    func cost() {
        let request = Array(hex(JavaMessages.generic[0].message).dropFirst(5))
        let reply = Array(hex(JavaMessages.exceptions[0].message).dropFirst(5))
        var found = 0
        let count = allocationsWhenWarm {
            for _ in 0..<100 {
                let span = request.span.bytes
                if TripleRequestWrapper(span)?.genericMethod(in: span) != nil { found += 1 }
                if TripleResponseWrapper(reply.span.bytes)?.exceptionClass.isEmpty == false { found += 1 }
            }
        }
        #expect(count == 0 && found == 400)
    }
}
