import Foundation
import Hessian
import Testing
import TestSupport

/// One line of the corpus: bytes and what they must decode to.
struct HessianVector: CustomTestStringConvertible, @unchecked Sendable {
    let id: String
    let encoder: String
    let bytes: [UInt8]
    let type: String
    let consumed: Int
    let leads: Set<String>
    let node: [String: Any]

    var testDescription: String { id }
    var isError: Bool { type == "error" }

    /// The expected tree; `nil` where the corpus gives only a digest.
    var expected: HessianValue? { HessianVector.value(node["value"] as? [String: Any] ?? node) }

    /// Whether `value` has the digest and the length that stand for a value too long to be spelled out.
    func hasDigest(of value: HessianValue) -> Bool {
        switch value {
        case .string(let units):
            guard let digest = node["value_sha256_utf8"] as? String else { return false }
            let text = String(decoding: units, as: UTF16.self)
            return units.count == node["utf16_len"] as? Int && hexText(sha256(Array(text.utf8))) == digest
        case .binary(let content):
            guard let digest = node["value_sha256"] as? String else { return false }
            return content.count == node["value_len"] as? Int && hexText(sha256(content)) == digest
        default:
            return false
        }
    }

    private static func value(_ node: [String: Any]) -> HessianValue? {
        let value = node["value"]
        switch node["type"] as? String {
        case "null": return .null
        case "bool": return (value as? NSNumber).map { .bool($0.boolValue) }
        case "int": return (value as? NSNumber).map { .int32($0.int32Value) }
        case "long": return (value as? NSNumber).map { .int64($0.int64Value) }
        case "date": return (value as? NSNumber).map { .date($0.int64Value) }
        case "ref": return (value as? NSNumber).map { .ref($0.intValue) }
        case "double":
            return (node["bits"] as? String).flatMap { UInt64($0, radix: 16) }.map { .double(Double(bitPattern: $0)) }
        case "binary": return (value as? String).map { .binary(hex($0)) }
        case "string":
            if let text = value as? String { return .string(text) }
            guard let units = (node["utf16be"] as? String).map({ hex($0) }) else { return nil }
            return .string(
                stride(from: 0, to: units.count, by: 2).map { UInt16(units[$0]) << 8 | UInt16(units[$0 + 1]) }
            )
        case "list", "map", "object": return container(node)
        default: return nil
        }
    }

    private static func container(_ node: [String: Any]) -> HessianValue? {
        guard let id = (node["id"] as? NSNumber)?.intValue else { return nil }
        let name = node["class"] as? String
        if let elements = node["elements"] as? [[String: Any]] {
            let values = elements.compactMap { value($0) }
            guard values.count == elements.count else { return nil }
            return .list(HessianList(className: name, id: id, elements: values))
        }
        if let entries = node["entries"] as? [[[String: Any]]] {
            let pairs = entries.compactMap { pair -> HessianMap.Entry? in
                guard pair.count == 2, let key = value(pair[0]), let value = value(pair[1]) else { return nil }
                return HessianMap.Entry(key: key, value: value)
            }
            guard pairs.count == entries.count else { return nil }
            return .map(HessianMap(className: name, id: id, entries: pairs))
        }
        guard let fields = node["fields"] as? [[Any]], let name else { return nil }
        let names = fields.compactMap { $0.first as? String }
        let values = fields.compactMap { ($0.last as? [String: Any]).flatMap { value($0) } }
        guard names.count == fields.count, values.count == fields.count else { return nil }
        let definition = HessianClass(name: name, fieldNames: names)
        return .object(HessianObject(definition: definition, id: id, values: values))
    }

    /// The vectors of both files; empty, with a line printed, where the corpus is absent.
    static let all: [HessianVector] = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let corpus =
            ProcessInfo.processInfo.environment["WEIR_CORPUS"].map { URL(filePath: $0) }
            ?? root.appending(path: "../shared/corpus")
        let vectors = ["vectors.jsonl", "vectors-large.jsonl"].flatMap {
            load(corpus.appending(path: "hessian2/\($0)"))
        }
        if vectors.isEmpty { print("Hessian vectors are not at \(corpus.path): their tests check nothing") }
        return vectors
    }()

    private static func load(_ file: URL) -> [HessianVector] {
        guard let data = try? Data(contentsOf: file) else { return [] }
        return data.split(separator: 0x0a).compactMap { line in
            guard let node = try? JSONSerialization.jsonObject(with: line) as? [String: Any] else { return nil }
            return HessianVector(
                id: node["id"] as? String ?? "",
                encoder: node["encoder"] as? String ?? "",
                bytes: hex(node["hex"] as? String ?? ""),
                type: node["type"] as? String ?? "",
                consumed: (node["consumed"] as? NSNumber)?.intValue ?? -1,
                leads: Set(node["leads"] as? [String] ?? []),
                node: node
            )
        }
    }
}

/// What decoding `bytes` came to.
enum Decoded: Equatable {
    case values([HessianValue])
    case failure(HessianError)

    /// The only value, if there is exactly one.
    var only: HessianValue? {
        guard case .values(let values) = self, values.count == 1 else { return nil }
        return values[0]
    }

    var error: HessianError? {
        guard case .failure(let error) = self else { return nil }
        return error
    }
}

/// Decodes all values of a body.
func decode(_ bytes: [UInt8], _ limits: HessianLimits = HessianLimits()) -> Decoded {
    var decoder = HessianValueDecoder(bytes.span.bytes, limits: limits)
    do throws(HessianError) {
        return .values(try decoder.values())
    } catch {
        return .failure(error)
    }
}

/// What an encoder writes.
func encoded(_ write: (inout HessianEncoder) -> Void) -> [UInt8] {
    var encoder = HessianEncoder()
    write(&encoder)
    return encoder.bytes
}
