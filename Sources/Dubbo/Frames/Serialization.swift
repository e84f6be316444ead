/// The low five bits of a frame's flag byte: the serialization of its body.
///
/// Source: dubbo-serialization-api `Constants.java`.
public enum Serialization {
    /// Hessian 2, the default.
    public static let hessian2: UInt8 = 2
    /// Java object streams.
    public static let java: UInt8 = 3
    /// Java object streams with compact class descriptors.
    public static let compactedJava: UInt8 = 4
    /// JSON, one value a line.
    public static let fastjson: UInt8 = 6
    /// Java object streams with plain `writeUTF`.
    public static let nativeJava: UInt8 = 7
    /// Kryo.
    public static let kryo: UInt8 = 8
    /// JSON, one value a line.
    public static let gson: UInt8 = 16
    /// Length-prefixed JSONB values.
    public static let fastjson2: UInt8 = 23
    /// Kryo, the second registration.
    public static let kryo2: UInt8 = 25

    /// True if bodies in it are read.
    ///
    /// - Parameter id: A serialization's id.
    /// - Returns: True for the ids above.
    public static func isRead(_ id: UInt8) -> Bool {
        switch id {
        case hessian2, java, compactedJava, fastjson, nativeJava, kryo, gson, fastjson2, kryo2: true
        default: false
        }
    }
}
