internal import Foundation
internal import JSONRPC
internal import Wire

/// Reads bytes as JSON, whole and in pieces, and compares what is accepted with Foundation's reader.
///
/// The first byte seeds the pieces and says whether the bytes are one value or a stream. Facts must not depend on the
/// pieces; what is accepted as one value must be JSON, and its facts must be what Foundation finds.
///
/// - Parameter bytes: Any bytes.
public func fuzzJSON(_ bytes: UnsafeRawBufferPointer) {
    guard let seed = bytes.first else { return }
    let text = Array(bytes.dropFirst())
    let framing: JSONScanner.Framing = seed & 1 == 0 ? .single : .stream
    let whole = JSONPass(text, framing, seed: nil)
    precondition(JSONPass(text, framing, seed: UInt64(seed)) == whole, "facts depend on the pieces")
    precondition(JSONPass(text, framing, seed: 0, piece: 1) == whole, "facts depend on the pieces")
    if framing == .single { compare(text, whole) }
}

/// What one pass found.
private struct JSONPass: Equatable {
    struct Found: Equatable {
        var progress: JSONScanner.Progress
        var facts: JSONRPCFacts
        var method: [UInt8]
        var id: [UInt8]
    }

    var found: [Found] = []
    var error: JSONError?
    var leniency: JSONError?
    var errorOffset = 0

    init(_ text: [UInt8], _ framing: JSONScanner.Framing, seed: UInt64?, piece: Int? = nil) {
        var scanner = JSONScanner(framing)
        var random = seed ?? 0
        var start = 0
        do throws(JSONError) {
            while start < text.count {
                random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let count = min(text.count - start, seed == nil ? text.count : piece ?? Int(random >> 60) + 1)
                try read(Array(text[start..<start + count]), &scanner, start)
                start += count
            }
            errorOffset = text.count
            leniency = scanner.leniency
            if try scanner.finish() { keep(.message, scanner) }
        } catch {
            self.error = error
        }
    }

    private mutating func read(_ piece: [UInt8], _ scanner: inout JSONScanner, _ start: Int) throws(JSONError) {
        var at = 0
        defer { errorOffset = start + at }
        while at < piece.count {
            let progress = try scanner.read(piece.span.bytes, &at)
            if progress != .needsMore { keep(progress, scanner) }
        }
    }

    private mutating func keep(_ progress: JSONScanner.Progress, _ scanner: borrowing JSONScanner) {
        found.append(
            Found(
                progress: progress,
                facts: scanner.facts,
                method: scanner.method.array,
                id: scanner.idText.array
            )
        )
    }
}

/// Foundation takes more than JSON here and there (half surrogates it refuses), so that only what the scanner accepted
/// is compared.
private func compare(_ text: [UInt8], _ pass: JSONPass) {
    // Beyond that depth, and beyond what a double holds, Foundation gives up.
    let depth = text.count { $0 == 0x5b || $0 == 0x7b }
    let digits = text.count { $0 >= 0x30 && $0 <= 0x39 }
    guard pass.error == nil, pass.leniency == nil, depth < 400, digits < 300 else { return }
    let lowered = String(decoding: text, as: UTF8.self).lowercased()
    // A half surrogate is JSON by the grammar, and an exponent may be too large for a double.
    guard !lowered.contains("\\ud"), !lowered.contains("e"), !lowered.contains("\u{0}") else { return }
    guard let value = try? JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed) else {
        preconditionFailure("what was accepted is no JSON")
    }
    if let object = value as? [String: Any], let last = pass.found.last { compare(object, last, text) }
    if let array = value as? [Any] {
        precondition(pass.found.filter { $0.progress == .batchMember }.count == array.count, "members are missing")
    }
}

private func compare(_ object: [String: Any], _ found: JSONPass.Found, _ text: [UInt8]) {
    // Foundation knows names in one case only.
    if found.facts.hasFoldedName { return }
    // Of a name that comes twice Foundation takes the first or the last one.
    for name in ["method", "\"id\"", "ethod", "result", "error", "\\u"] {
        let parts = String(decoding: text, as: UTF8.self).components(separatedBy: name)
        guard parts.count <= 2 else { return }
    }
    precondition((found.facts.result != .absent) == (object["result"] != nil), "result")
    precondition((found.facts.error != .absent) == (object["error"] != nil), "error")
    if found.facts.method == .text {
        precondition((object["method"] as? String).map { Array($0.utf8) } == found.method, "method")
    } else if found.facts.method == .absent {
        precondition(object["method"] == nil, "method")
    }
}
