internal import OTLP

/// The resource of the spans: the application beside Weir and the place where it runs.
public struct ResourceDescription: Sendable {
    /// The service's name where nothing tells it.
    public static let unknownServiceName = "unknown_service:weir"

    /// The most attributes that are taken from the environment.
    private static let maxAttributes = 64
    /// The longest value that is taken, in bytes.
    private static let maxValueBytes = 512

    /// Variables that hold the application's name, the first one that is set counts.
    private static let nameVariables = ["DUBBO_APPLICATION_NAME", "APP_NAME", "APPLICATION_NAME", "APP"]
    /// Kubernetes' downward API has no names of its own for variables; these are what people use.
    private static let kubernetesVariables = [
        ("k8s.pod.name", ["POD_NAME", "MY_POD_NAME", "K8S_POD_NAME"]),
        ("k8s.pod.uid", ["POD_UID", "MY_POD_UID", "K8S_POD_UID"]),
        ("k8s.pod.ip", ["POD_IP", "MY_POD_IP", "K8S_POD_IP"]),
        ("k8s.namespace.name", ["POD_NAMESPACE", "MY_POD_NAMESPACE", "K8S_NAMESPACE"]),
        ("k8s.node.name", ["NODE_NAME", "MY_NODE_NAME", "K8S_NODE_NAME"]),
    ]

    /// The service's name as far as it was given; `nil` if it may be learnt from traffic.
    public let serviceName: String?
    /// The attributes but for `service.name`, in order.
    public let attributes: [(key: String, value: String)]
    /// Weir's own version, the version of the instrumentation scope too.
    let version: String

    /// Describes the process.
    ///
    /// Settings come first, then `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, then the variables of Dubbo,
    /// Kubernetes and deployments.
    ///
    /// - Parameters:
    ///   - serviceName: The name from the settings.
    ///   - environment: The process's environment.
    ///   - hostName: The machine's name.
    ///   - version: Weir's version.
    public init(serviceName: String?, environment: [String: String], hostName: String, version: String) {
        let value: ([String]) -> String? = { names in
            names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }.map(Self.cut)
        }
        var given = Self.parse(environment["OTEL_RESOURCE_ATTRIBUTES"] ?? "")
        let ownName = given.removeValue(forKey: "service.name")
        let names = [
            serviceName, value(["OTEL_SERVICE_NAME"]), ownName, value(Self.nameVariables),
        ]
        self.serviceName = names.lazy.compactMap(\.self).first { !$0.isEmpty }
        self.version = version

        var all: [(key: String, value: String)] = []
        func add(_ key: String, _ fallback: String?) {
            let text = given.removeValue(forKey: key) ?? fallback
            if let text, !text.isEmpty { all.append((key, text)) }
        }
        let pod = value(Self.kubernetesVariables[0].1)
        add("service.instance.id", value(Self.kubernetesVariables[1].1) ?? pod ?? hostName)
        add("host.name", hostName)
        for (key, names) in Self.kubernetesVariables { add(key, value(names)) }
        for key in given.keys.sorted() where !key.hasPrefix("telemetry.sdk.") { add(key, nil) }
        all.append(("telemetry.sdk.name", "weir"))
        all.append(("telemetry.sdk.language", "swift"))
        all.append(("telemetry.sdk.version", version))
        attributes = all
    }

    /// The resource as OTLP has it.
    ///
    /// - Parameter name: The service's name, see ``SpanServiceName``.
    /// - Returns: The attributes with `service.name` as the first.
    func resource(name: String) -> OTLPResource {
        var list = AttributeList()
        list.add("service.name", name)
        for (key, value) in attributes { list.add(key, value) }
        var resource = OTLPResource()
        resource.attributes = list.values
        return resource
    }

    /// Reads `key=value,key=value`, with `%2C` and the like in values; parts of another form are skipped.
    ///
    /// Source: OpenTelemetry, resource SDK.
    private static func parse(_ text: String) -> [String: String] {
        var found: [String: String] = [:]
        for pair in text.split(separator: ",") where found.count < maxAttributes {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            let key = percentDecoded(trimmed(parts[0]))
            if !key.isEmpty { found[key] = cut(percentDecoded(trimmed(parts[1]))) }
        }
        return found
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let start = text.drop { $0 == " " || $0 == "\t" }
        return start.lastIndex { $0 != " " && $0 != "\t" }.map { start[...$0] } ?? Substring()
    }

    private static func percentDecoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == UInt8(ascii: "%"), digits.count == 2, let high = hexValue(digits.first),
                let low = hexValue(digits.last)
            {
                bytes.append(high << 4 | low)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hexValue(_ digit: UInt8?) -> UInt8? {
        guard let digit else { return nil }
        return Character(Unicode.Scalar(digit)).hexDigitValue.map { UInt8(truncatingIfNeeded: $0) }
    }

    /// A value no longer than a value may be.
    private static func cut(_ text: String) -> String {
        text.utf8.count <= maxValueBytes ? text : String(decoding: text.utf8.prefix(maxValueBytes), as: UTF8.self)
    }
}
