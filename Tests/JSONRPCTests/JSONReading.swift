import Foundation
import JSONRPC
import TestSupport
import Wire

/// A message with its texts.
struct Found: Equatable, CustomStringConvertible {
    var progress: JSONScanner.Progress
    var facts: JSONRPCFacts
    var method: String
    var id: String
    var key: UInt64?

    var description: String { "\(progress) \(facts.role) \(method) \(id) \(facts)" }
}

/// What scanning came to.
struct Scan: Equatable {
    var found: [Found] = []
    /// The offsets behind messages, members and batches.
    var ends: [Int] = []
    /// How many members each batch had.
    var batches: [Int] = []
    var error: JSONError?
    /// What is no JSON and was read past.
    var leniency: JSONError?
    /// Why the bytes are no JSON.
    var fault: JSONError? { leniency ?? error }
    /// Where the byte is that is wrong.
    var errorOffset: Int?
    var isLineDelimited = false
}

func scan(
    _ pieces: [ArraySlice<UInt8>],
    _ framing: JSONScanner.Framing = .single,
    with scanner: inout JSONScanner
) -> Scan {
    scanner.begin(framing)
    var scan = Scan()
    func note(_ progress: JSONScanner.Progress, _ offset: Int, _ scanner: borrowing JSONScanner) {
        switch progress {
        case .needsMore, .lineEnd: return
        case .batchEnd: scan.batches.append(scanner.memberCount)
        case .message, .batchMember:
            scan.found.append(
                Found(
                    progress: progress,
                    facts: scanner.facts,
                    method: scanner.method.text,
                    id: scanner.idText.text,
                    key: JSONRPCID.key(of: scanner)
                )
            )
        }
        scan.ends.append(offset)
    }
    var base = 0
    for piece in pieces {
        let bytes = Array(piece)
        var at = 0
        while at < bytes.count {
            do {
                note(try scanner.read(bytes.span.bytes, &at), base + at, scanner)
                scan.leniency = scan.leniency ?? scanner.leniency
                precondition(scanner.offset == UInt64(base + at))
            } catch {
                scan.error = error
                scan.errorOffset = base + at
                scan.leniency = scan.leniency ?? scanner.leniency
                return scan
            }
        }
        base += bytes.count
    }
    do {
        if try scanner.finish() { note(.message, base, scanner) }
    } catch {
        scan.error = error
        scan.errorOffset = base
    }
    scan.isLineDelimited = scanner.isLineDelimited
    return scan
}

func scan(_ pieces: [ArraySlice<UInt8>], _ framing: JSONScanner.Framing = .single) -> Scan {
    var scanner = JSONScanner(framing)
    return scan(pieces, framing, with: &scanner)
}

func scan(_ text: String, _ framing: JSONScanner.Framing = .single) -> Scan { scan([Array(text.utf8)[...]], framing) }

/// The bytes in pieces of that size.
func pieces(_ bytes: [UInt8], of size: Int) -> [ArraySlice<UInt8>] {
    stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
}

/// A file or folder of the corpus; says so and gives `nil` when it is not there.
func corpus(_ path: String) -> URL? {
    let root =
        ProcessInfo.processInfo.environment["WEIR_CORPUS"].map { URL(fileURLWithPath: $0) }
        ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("shared/corpus")
    let url = root.appendingPathComponent(path)
    guard FileManager.default.fileExists(atPath: url.path) else {
        print("corpus not here: \(path)")
        return nil
    }
    return url
}

/// Messages with everything that counts, for cutting up.
let messages = [
    #"{"jsonrpc":"2.0","method":"subtract","params":[42,-2.5e+3,true,false,null,{"a":"b"}],"id":1}"#,
    #" { "json\u0072pc" : "2.0" , "\u006dethod":"a\u002eb\n\ud83d\ude00\ud800x\udc00é中😀", "id":"\u4e2d\"中\\" } "#,
    #"{"params":{"method":"inner","id":99,"error":{"code":5}},"method":"one","id":1,"method":"two","id":-1.50E-2}"#,
    #"{"jsonrpc":"2.0","error":{"data":{"code":1},"code":-32601,"message":"x"},"id":null}"#,
    #"{"jsonrpc":"1.0","result":{},"error":{"code":-32000.0},"id":true}"#,
    #"{"error":{"code":1},"error":[20,"x",{"code":7}],"id":[1,{"id":2}],"jsonrpc":2,"method":{},"params":"x"}"#,
    #"[{"jsonrpc":"2.0","method":"a","id":"1"},1,[{"method":"x"}],{},{"jsonrpc":"2.0","method":"n"},"s",null]"#,
    "[]", "[ ]", "{}", "0", "-1.5", "\"a\\tb\"", "null", "[[],[[]],{\"a\":{}}]",
]
