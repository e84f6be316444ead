internal import Calls
internal import Dubbo
internal import Hessian

/// The Java type of a parameter.
enum JavaType: Sendable {
    case string, int, long, object

    /// Its name, as generic calls give it.
    var name: String {
        switch self {
        case .string: "java.lang.String"
        case .int: "int"
        case .long: "long"
        case .object: "java.lang.Object"
        }
    }

    /// Its descriptor, as all other calls give it.
    var descriptor: String {
        switch self {
        case .string: "Ljava/lang/String;"
        case .int: "I"
        case .long: "J"
        case .object: "Ljava/lang/Object;"
        }
    }
}

/// A Dubbo 2 call of a consumer.
struct DemoCall: CountedCall, Sendable {
    var interface: String
    var version = DemoServices.version
    var group = ""
    var method: String
    var parameters: [JavaType]
    var arguments: [HessianValue]
    var isOneway = false
    var isGeneric = false
    var timeoutMilliseconds: UInt64 = 3000
    var expected = Outcome.ok

    var countedAs: DemoCounts.Method { DemoCounts.Method(.dubbo, interface: interface, method: method) }

    /// The request's frame, as Dubbo Java 3.3 writes it.
    ///
    /// - Parameters:
    ///   - id: The request's id.
    ///   - application: The caller's name.
    ///   - traceParent: A W3C trace context, or `nil` for none.
    /// - Returns: The frame's bytes.
    func frame(id: UInt64, application: String, traceParent: String?) -> [UInt8] {
        let flags = isOneway ? FrameBytes.request : FrameBytes.request | FrameBytes.twoWay
        return FrameBytes.frame(flags: flags, status: 0, id: id) { body in
            body.string(DubboVersion.protocol)
            body.string(interface)
            body.string(version)
            if isGeneric {
                body.string("$invoke")
                body.string("Ljava/lang/String;[Ljava/lang/String;[Ljava/lang/Object;")
                writeGenericArguments(to: &body)
            } else {
                body.string(method)
                body.string(parameters.map(\.descriptor).joined())
                for argument in arguments { body.value(argument) }
            }
            body.attachments(attachments(application, traceParent))
        }
    }

    private func writeGenericArguments(to body: inout HessianEncoder) {
        body.string(method)
        body.beginList(type: "[string", count: Int32(clamping: parameters.count))
        for parameter in parameters { body.string(parameter.name) }
        body.beginList(type: "[object", count: Int32(clamping: arguments.count))
        for argument in arguments { body.value(argument) }
    }

    private func attachments(_ application: String, _ traceParent: String?) -> [(String, String)] {
        var pairs = [
            ("path", interface), ("remote.application", application), ("interface", interface), ("version", version),
        ]
        if isGeneric { pairs.append(("generic", "true")) }
        pairs.append(("timeout", String(timeoutMilliseconds)))
        if !group.isEmpty { pairs.append(("group", group)) }
        if let traceParent { pairs.append(("traceparent", traceParent)) }
        return pairs
    }
}

extension Outcome {
    /// The outcome that a reply gives its call; `nil` if its body does not tell.
    static func of(status: UInt8, kind: ResponseMetadata.Kind?) -> Outcome? {
        switch status {
        case 20: kind.map { $0.isException ? .businessError : .ok }
        case 30, 31: .timeout
        case 40, 90: .clientError
        default: .serverError
        }
    }
}
