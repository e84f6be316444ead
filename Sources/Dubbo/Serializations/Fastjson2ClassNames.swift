internal import Wire

/// The throwables that fastjson2 writes without their package, `java.lang`: fastjson2 `TypeUtils.NAME_MAPPINGS`.
private let unqualifiedClassNames: [StaticString] = [
    "Exception", "IllegalAccessError", "IllegalAccessException", "IllegalArgumentException",
    "IllegalMonitorStateException", "IllegalStateException", "IllegalThreadStateException",
    "IndexOutOfBoundsException", "InstantiationError", "InstantiationException", "InternalError",
    "InterruptedException", "LinkageError", "NegativeArraySizeException", "NoClassDefFoundError", "NoSuchFieldError",
    "NoSuchFieldException", "NoSuchMethodError", "NoSuchMethodException", "NullPointerException",
    "NumberFormatException", "OutOfMemoryError", "RuntimeException", "SecurityException", "StackOverflowError",
    "StringIndexOutOfBoundsException", "TypeNotPresentException", "VerifyError",
]

extension PrefixBuffer {
    /// Appends a throwable's class name as fastjson2 means it.
    ///
    /// - Parameters:
    ///   - name: The name as written.
    ///   - bytes: The bytes that the name is in.
    /// - Returns: The range of the full name in this buffer; `nil` if it does not fit.
    mutating func keepClassName(_ name: EncodedString, of bytes: RawSpan) -> ByteRange? {
        let piece = bytes.slice(name.range)
        guard unqualifiedClassNames.contains(where: { piece.equals($0) }) else { return keep(name, of: bytes) }
        let fullName = Array("java.lang.".utf8) + piece.array
        let span = fullName.byteSpan
        return keep(EncodedString(range: ByteRange(offset: 0, count: fullName.count), encoding: .utf8), of: span)
    }
}
