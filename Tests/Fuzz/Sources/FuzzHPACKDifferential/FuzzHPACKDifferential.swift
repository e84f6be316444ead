internal import FuzzDriver
internal import Glibc
internal import HTTP2
internal import NIOCore
internal import NIOHPACK
internal import Triple
internal import Wire

/// Our decoder against NIOHPACK's encoder and decoder.
@main struct FuzzHPACKDifferential {
    static func main() {
        exit(
            runFuzzer { bytes, count in
                let input = Array(UnsafeBufferPointer(start: bytes, count: count))
                Differential.encoded(input)
                Differential.decoded(input)
                return 0
            }
        )
    }
}

private enum Differential {
    /// Headers made of the input, written by NIOHPACK with its table, must be read back by ours, block after block.
    static func encoded(_ input: [UInt8]) {
        var encoder = NIOHPACK.HPACKEncoder(allocator: ByteBufferAllocator())
        var ours = Ours()
        var rest = input[...]
        for _ in 0..<32 where !rest.isEmpty {
            var headers = HPACKHeaders()
            for _ in 0..<(rest.popFirst() ?? 0) & 15 {
                let shape = rest.popFirst() ?? 0
                // NIOHPACK compares names without bit 0x20, letters or not, so only letters make names here.
                let name = "n" + text(&rest, Int(shape & 7), of: 0x61..<0x7b)
                let value = text(&rest, Int(shape >> 3), of: 0x21..<0x7f)
                headers.add(name: name, value: value, indexing: indexing(shape))
            }
            var buffer = ByteBuffer()
            guard (try? encoder.encode(headers: headers, to: &buffer)) != nil else { return }
            let fields = ours.decode(Array(buffer.readableBytesView))
            check(fields, headers, "ours does not read what theirs wrote")
        }
    }

    /// Bytes that both decoders take must mean the same.
    static func decoded(_ input: [UInt8]) {
        var theirs = NIOHPACK.HPACKDecoder(allocator: ByteBufferAllocator())
        var ours = Ours()
        var rest = input[...]
        while let length = rest.popFirst() {
            let block = Array(rest.prefix(Int(length)))
            rest = rest.dropFirst(Int(length))
            var buffer = ByteBuffer(bytes: block)
            let (one, other) = (try? theirs.decodeHeaders(from: &buffer), ours.decode(block))
            // What either refuses ends the connection; they draw the line of what is legal differently.
            guard let one, let other else { return }
            check(other, one, "a block means two things")
        }
    }

    private static func check(_ ours: [Field]?, _ theirs: HPACKHeaders, _ what: String) {
        guard ours != theirs.map({ Field(name: $0.name, value: $0.value) }) else { return }
        // A release build keeps no message of a precondition.
        print("\(what)\nours:   \(ours.map(String.init(describing:)) ?? "refused")\ntheirs: \(theirs)")
        fflush(nil)
        abort()
    }

    private static func text(_ rest: inout ArraySlice<UInt8>, _ count: Int, of characters: Range<UInt8>) -> String {
        let bytes = rest.prefix(count).map { characters.lowerBound + $0 % UInt8(characters.count) }
        rest = rest.dropFirst(count)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func indexing(_ shape: UInt8) -> HPACKIndexing {
        switch shape & 3 {
        case 0: .neverIndexed
        case 1: .nonIndexable
        default: .indexable
        }
    }
}

private struct Field: Equatable {
    var name: String
    var value: String
}

/// Our decoder; `nil` once it has refused a block.
private struct Ours: ~Copyable {
    private struct Sink: HeaderSink {
        var fields: [Field] = []

        mutating func field(_ field: borrowing HeaderField) {
            fields.append(Field(name: field.name.text, value: field.value.text))
        }
    }

    private var decoder = HTTP2.HPACKDecoder(names: HPACKNames(TripleHeaderName.table))
    private var scratch = HPACKScratch()

    mutating func decode(_ block: [UInt8]) -> [Field]? {
        var sink = Sink()
        do {
            try decoder.decode(block.span.bytes, scratch: &scratch, into: &sink)
            return sink.fields
        } catch {
            return nil
        }
    }
}
