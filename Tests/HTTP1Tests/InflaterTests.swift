import Foundation
import HTTP1
import TestSupport
import Testing
import Wire

/// Bodies that Python's zlib and gzip coded, and what they hold.
private struct Coded: Sendable, CustomStringConvertible {
    let name: String
    let coding: ContentCoding
    let bytes: [UInt8]
    let text: [UInt8]
    var description: String { name }

    /// Made once, by a program of another language with its own ways of dividing a stream.
    static let all: [Coded] = {
        let program = """
            import gzip, random, zlib
            random.seed(7)
            texts = {
                'empty': b'', 'one': b'x', 'call': b'{"jsonrpc":"2.0","method":"sum","params":[1,2],"id":7}',
                'noise': random.randbytes(700), 'words': b' '.join(random.choices([b'ab', b'cde', b'f'], k=9000)),
                'zeros': bytes(40000),
            }
            def zipped(text, bits, level=6, flushes=0):
                coder = zlib.compressobj(level, zlib.DEFLATED, bits)
                made = b''
                for at in range(0, flushes):
                    made += coder.compress(text[at::flushes][:20]) + coder.flush(zlib.Z_SYNC_FLUSH)
                return made + coder.compress(text) + coder.flush()
            def say(name, coding, coded, text): print(name, coding, coded.hex() or '-', text.hex() or '-')
            for name, text in texts.items():
                say(name + '-gzip', 'gzip', gzip.compress(text), text)
                say(name + '-zlib', 'deflate', zlib.compress(text), text)
                say(name + '-small-window', 'deflate', zipped(text, 9), text)
                for level in (0, 1, 9): say(f'{name}-bare-{level}', 'deflate', zipped(text, -15, level), text)
                whole = b''.join(text[at::3][:20] for at in range(3)) + text
                say(name + '-flushed', 'gzip', zipped(text, 31, 6, 3), whole)
                say(name + '-members', 'gzip', gzip.compress(text) * 2 + gzip.compress(b'end'), text * 2 + b'end')
                say(name + '-padded', 'gzip', gzip.compress(text) + bytes(9), text)
                say(name + '-trailed', 'gzip', gzip.compress(text) + b'\\x1f\\x8bno', text)
                say(name + '-behind', 'deflate', zlib.compress(text) + b'more', text)
            """
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", program]
        process.standardOutput = pipe
        guard (try? process.run()) != nil else { return [] }
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return text.split(separator: "\n").map { line in
            let words = line.split(separator: " ").map(String.init)
            return Coded(
                name: words[0],
                coding: words[1] == "gzip" ? .gzip : .deflate,
                bytes: words[2] == "-" ? [] : hex(words[2]),
                text: words[3] == "-" ? [] : hex(words[3])
            )
        }
    }()
}

/// What came of reading a body.
private struct Inflated: Equatable {
    var text: [UInt8] = []
    var error: InflateError?
    var largestPiece = 0
}

extension Inflater {
    fileprivate func all(
        of bytes: [UInt8],
        _ coding: ContentCoding,
        cuts: [Int] = [],
        limit: Int = 1 << 20
    ) -> Inflated {
        var result = Inflated()
        var from = 0
        do throws(InflateError) {
            try begin(coding, limitBytes: limit)
            for cut in cuts + [bytes.count] {
                try read(bytes.span.bytes.extracting(from..<cut)) { piece in
                    result.largestPiece = max(result.largestPiece, piece.byteCount)
                    piece.withUnsafeBytes { result.text += $0 }
                }
                from = cut
            }
            try finish()
        } catch {
            result.error = error
        }
        return result
    }
}

@Suite struct InflaterTests {
    @Test("what Python coded is read again, in one piece, in every split, and byte by byte")
    func python() throws {
        let all = Coded.all
        try #require(all.count == 6 * 11)
        let inflater = Inflater()
        for coded in all {
            let whole = inflater.all(of: coded.bytes, coded.coding)
            #expect(whole.text == coded.text && whole.error == nil, "\(coded)")
            #expect(whole.largestPiece <= Inflater.pieceBytes, "\(coded)")
            #expect(inflater.isEnded)
            #expect(inflater.givenBytes == coded.text.count)
            let bytes = inflater.all(of: coded.bytes, coded.coding, cuts: Array(0..<coded.bytes.count))
            #expect(bytes.text == coded.text && bytes.error == nil, "\(coded) byte by byte")
            let step = max(1, coded.bytes.count / 200)
            for cut in stride(from: 0, through: coded.bytes.count, by: step) {
                let split = inflater.all(of: coded.bytes, coded.coding, cuts: [cut])
                #expect(split.text == coded.text && split.error == nil, "\(coded) cut at \(cut)")
            }
        }
    }

    @Test("a body cut short gives out what it holds and says that more was to come")
    func truncated() throws {
        let inflater = Inflater()
        // A further member that gives out nothing was none.
        for coded in Coded.all where coded.text.count < 1000 && !coded.name.hasSuffix("members") {
            for count in 1..<coded.bytes.count {
                let short = inflater.all(of: Array(coded.bytes.prefix(count)), coded.coding)
                #expect(coded.text.starts(with: short.text), "\(coded) \(count)")
                if short.text.count < coded.text.count { #expect(short.error == .truncated, "\(coded) \(count)") }
            }
        }
        #expect(inflater.all(of: [], .gzip) == Inflated())
        #expect(inflater.all(of: [0x78], .deflate).error == .truncated)
    }

    @Test("no more is given out than asked for, and that is given out", arguments: [0, 1, 8191, 8192, 8193, 39_999])
    func bomb(limit: Int) throws {
        let inflater = Inflater()
        for coded in Coded.all where coded.text == [UInt8](repeating: 0, count: 40_000) {
            let part = inflater.all(of: coded.bytes, coded.coding, limit: limit)
            #expect(part.error == .tooLarge, "\(coded)")
            #expect(part.text.count == limit, "\(coded)")
            let whole = inflater.all(of: coded.bytes, coded.coding, limit: 40_000)
            #expect(whole.error == nil && whole.text == coded.text, "\(coded)")
        }
    }

    @Test("what is damaged or of another format is said to be, and the next body is read all the same")
    func malformed() throws {
        let inflater = Inflater()
        let call = try #require(Coded.all.first { $0.name == "call-gzip" })
        for at in call.bytes.indices.dropLast(8) where !(4...9).contains(at) {
            var bytes = call.bytes
            bytes[at] ^= 0x55
            let damaged = inflater.all(of: bytes, .gzip)
            #expect(damaged.error == .malformed || damaged.error == .truncated, "byte \(at)")
            #expect(inflater.all(of: call.bytes, .gzip).text == call.text)
        }
        for coding in [ContentCoding.gzip, .deflate] {
            #expect(inflater.all(of: Array("{\"id\":1}".utf8), coding).error != nil)
        }
        #expect(inflater.all(of: call.bytes, .other).error == .malformed)
        // A preset dictionary, which no peer knows (RFC 1950 §2.2).
        #expect(inflater.all(of: [0x78, 0xbb, 1, 2, 3, 4, 5], .deflate).error == .malformed)
        #expect(throws: InflateError.malformed) {
            do { try inflater.read(call.bytes.span.bytes) { _ in } } catch { throw error }
        }
    }

    @Test("random bytes and changes of good ones end without harm and within the bound", arguments: 0..<8)
    func random(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        let inflater = Inflater()
        let all = Coded.all
        for _ in 0..<400 {
            guard let coded = all.randomElement(using: &random) else { return }
            var bytes = coded.bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                guard let at = bytes.indices.randomElement(using: &random) else { break }
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[at] = .random(in: 0...255, using: &random)
                case 1: bytes.remove(at: at)
                default: bytes.insert(.random(in: 0...255, using: &random), at: at)
                }
            }
            let cuts = (0..<3).map { _ in Int.random(in: 0...bytes.count, using: &random) }.sorted()
            let whole = inflater.all(of: bytes, coded.coding, limit: 50_000)
            let split = inflater.all(of: bytes, coded.coding, cuts: cuts, limit: 50_000)
            #expect(whole.text == split.text && whole.error == split.error, "seed \(seed) \(coded)")
            #expect(whole.text.count <= 50_000)
        }
    }

    @Test("a piece allocates nothing, however many a body has")
    func allocation() throws {
        let inflater = Inflater()
        let bodies = Coded.all.filter { $0.text.count > 30 }
        var given = 0
        func count(pieces: Int) throws -> Int {
            try allocationsWhenWarm {
                for body in bodies {
                    try inflater.begin(body.coding, limitBytes: 1 << 20)
                    let size = body.bytes.count / pieces + 1
                    for start in stride(from: 0, to: body.bytes.count, by: size) {
                        let piece = body.bytes.span.bytes.extracting(start..<min(start + size, body.bytes.count))
                        try inflater.read(piece) { given += $0.byteCount }
                    }
                    try inflater.finish()
                }
            }
        }
        // What a debug build allocates for a closure's sake is the same.
        #expect(try count(pieces: 30) == count(pieces: 1))
        #expect(given == 4 * bodies.reduce(0) { $0 + $1.text.count })
    }

    @Test("a header's value names a coding")
    func codings() {
        let values: [(String, ContentCoding)] = [
            ("gzip", .gzip), ("GZip", .gzip), ("x-gzip", .gzip), ("deflate", .deflate), ("Identity", .identity),
            ("", .identity), ("br", .other), ("zstd", .other), ("gzip, gzip", .other), ("gzi", .other),
        ]
        for (text, coding) in values { #expect(ContentCoding(Array(text.utf8).span.bytes) == coding, "\(text)") }
        #expect(ContentCoding.identity.followed(by: .gzip) == .gzip)
        #expect(ContentCoding.gzip.followed(by: .identity) == .gzip)
        #expect(ContentCoding.gzip.followed(by: .gzip) == .other)
        #expect(ContentCoding.allCases.filter(\.isReadable) == [.gzip, .deflate])
    }
}
