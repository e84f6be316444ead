internal import Hessian

/// A Java exception as hessian-lite writes it: an object whose fields are in the order of Java's own peers.
struct JavaException: Equatable, Sendable {
    /// One line of a stack trace.
    struct Line: Equatable, Sendable {
        var className: String
        var method: String
        var file: String
        var line: Int32
        /// The version of the JDK whose class it is; `nil` for the application's own.
        var javaVersion: String?
    }

    var className: String
    var message: String?
    /// Fields of the class itself, after those of `Throwable`.
    var ownFields: [(name: String, value: HessianValue)] = []
    var trace: [Line]

    static func == (left: JavaException, right: JavaException) -> Bool { left.value == right.value }

    /// The object; its `cause` is itself, which is Java's form of no cause.
    var value: HessianValue {
        let names = ["suppressedExceptions", "stackTrace", "cause", "detailMessage"] + ownFields.map(\.name)
        let noneSuppressed = HessianList(className: "java.util.Collections$EmptyList", id: 1, elements: [])
        let lines = HessianList(
            className: "[java.lang.StackTraceElement",
            id: 2,
            elements: trace.enumerated().map { $0.element.value(id: 3 + $0.offset) }
        )
        let values: [HessianValue] = [
            .list(noneSuppressed), .list(lines), .ref(0), message.map(HessianValue.string) ?? .null,
        ]
        let definition = HessianClass(name: className, fieldNames: names)
        return .object(HessianObject(definition: definition, id: 0, values: values + ownFields.map(\.value)))
    }
}

extension JavaException.Line {
    private static let definition = HessianClass(
        name: "java.lang.StackTraceElement",
        fieldNames: [
            "format", "lineNumber", "fileName", "methodName", "declaringClass", "moduleVersion", "moduleName",
            "classLoaderName",
        ]
    )

    fileprivate func value(id: Int) -> HessianValue {
        let isJavas = javaVersion != nil
        let values: [HessianValue] = [
            .int32(isJavas ? 2 : 1), .int32(line), .string(file), .string(method), .string(className),
            javaVersion.map(HessianValue.string) ?? .null, isJavas ? .string("java.base") : .null,
            isJavas ? .null : .string("app"),
        ]
        return .object(HessianObject(definition: Self.definition, id: id, values: values))
    }
}

extension HessianValue {
    /// A `HashMap` with text keys.
    static func map(_ pairs: [(String, HessianValue)]) -> HessianValue {
        .map(HessianMap(id: 0, entries: pairs.map { HessianMap.Entry(key: .string($0.0), value: $0.1) }))
    }

    /// An object of a class with those fields.
    static func object(_ className: String, _ fields: [(String, HessianValue)]) -> HessianValue {
        let definition = HessianClass(name: className, fieldNames: fields.map(\.0))
        return .object(HessianObject(definition: definition, id: 0, values: fields.map(\.1)))
    }

    /// The value as a generic call gets it: an object becomes a map that names its class.
    var generalized: HessianValue {
        guard case .object(let object) = self else { return self }
        let fields = zip(object.definition.fieldNames, object.values).map { ($0.0, $0.1.generalized) }
        return .map(fields + [("class", .string(object.definition.name))])
    }

    /// A number of either width.
    var number: Int64? {
        switch self {
        case .int32(let value): Int64(value)
        case .int64(let value): value
        default: nil
        }
    }
}
