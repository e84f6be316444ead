internal import Dubbo
internal import Hessian
internal import Wire

/// A request as a provider reads it.
struct DemoRequest: Sendable {
    /// The deepest nesting of arguments; no service here takes any, but `$echo` gives back what it got.
    static let maxDepth = 64

    /// Slot 1 of the body.
    var dubboVersion: String
    /// The interface that is called.
    var interface: String
    /// The service's version; empty for none.
    var version: String
    /// The method; for a generic call the one it names.
    var method: String
    /// The method's arguments; for a generic call the content of its argument array.
    var arguments: [HessianValue]
    /// The attachments whose values are text.
    var attachments: [String: String] = [:]
    /// True if the call came through `$invoke`.
    var isGeneric = false

    /// The service's group; empty for none.
    var group: String { attachments["group"] ?? "" }

    /// Reads the body of a request that is no event: five texts, the arguments, the attachments.
    ///
    /// - Parameter frame: The frame.
    /// - Throws: ``HessianError`` for what is no such body.
    init(_ frame: DemoFrame) throws(HessianError) {
        var decoder = HessianValueDecoder(frame.body.byteSpan, limits: HessianLimits(maxDepth: Self.maxDepth))
        var values = try decoder.values()
        guard values.count >= 6, frame.header.serialization == Serialization.hessian2 else {
            throw .truncated(offset: UInt32(clamping: frame.body.count))
        }
        if case .map(let map) = values.removeLast() {
            for entry in map.entries {
                if let key = entry.key.text, let text = entry.value.text { attachments[key] = text }
            }
        }
        let texts = values.prefix(5).map { $0.text ?? "" }
        (dubboVersion, interface, version, method) = (texts[0], texts[1], texts[2], texts[3])
        arguments = Array(values[5...])
        if method == "$invoke" || method == "$invokeAsync" { unwrap() }
    }

    /// A generic call's arguments are the method's name, its parameters' types and its arguments.
    private mutating func unwrap() {
        guard arguments.count == 3, let name = arguments[0].text, case .list(let list) = arguments[2] else { return }
        method = name
        arguments = list.elements
        isGeneric = true
    }
}

/// A provider's answer to a request.
struct DemoAnswer: Sendable {
    /// The content of the reply.
    enum Content: Sendable {
        /// The method returned this.
        case value(HessianValue)
        /// The method threw this.
        case exception(JavaException)
        /// Dubbo itself could not do it: a status other than 20, with a text.
        case failure(status: UInt8, text: String)
        /// No reply ever comes.
        case silence
    }

    var content: Content
    /// The service time, shortest to longest.
    var nanoseconds: ClosedRange<UInt64>

    /// An answer after a time in the range of milliseconds.
    init(_ content: Content, _ milliseconds: ClosedRange<UInt64>) {
        self.content = content
        nanoseconds = milliseconds.lowerBound * 1_000_000...milliseconds.upperBound * 1_000_000
    }
}
