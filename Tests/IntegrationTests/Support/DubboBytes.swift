/// Dubbo frames of the plainest kind, for tests that need calls rather than a protocol.
enum DubboBytes {
    static func request(
        _ id: UInt64,
        interface: String = "demo.Greeter",
        method: String = "hello",
        isOneway: Bool = false
    ) -> [UInt8] {
        var body = string("2.0.2") + string(interface) + string("1.0.0") + string(method) + string("Ljava/lang/String;")
        body += string("argument") + [0x48] + string("path") + string(interface) + [0x5a]
        return header(0x82 | (isOneway ? 0 : 0x40), 0, id, body.count) + body
    }

    /// The reply of a call that returned null.
    static func reply(_ id: UInt64, status: UInt8 = 20) -> [UInt8] {
        let body: [UInt8] = status == 20 ? [0x92] : string("failed")
        return header(0x02, status, id, body.count) + body
    }

    /// The reply of a call that returned null, and says that its provider leaves.
    static func closingReply(_ id: UInt64) -> [UInt8] {
        let body = [0x95, 0x48] + string("closing") + string("true") + [0x5a]
        return header(0x02, 20, id, body.count) + body
    }

    /// A reply of status 100.
    static func failure(_ id: UInt64, _ text: String) -> [UInt8] {
        let body = string(text)
        return header(0x02, 100, id, body.count) + body
    }

    static func id(_ frame: [UInt8]) -> UInt64 { frame[4..<12].reduce(0) { $0 << 8 | UInt64($1) } }

    static func bodyBytes(_ header: ArraySlice<UInt8>) -> Int {
        header.dropFirst(12).prefix(4).reduce(0) { $0 << 8 | Int($1) }
    }

    /// Where frames end in a stream of them.
    static func frameEnds(_ stream: [UInt8]) -> [Int] {
        var ends: [Int] = []
        var at = 0
        while at + 16 <= stream.count, stream[at] == 0xda, stream[at + 1] == 0xbb {
            at += 16 + bodyBytes(stream[at...])
            ends.append(at)
        }
        return ends
    }

    private static func header(_ flags: UInt8, _ status: UInt8, _ id: UInt64, _ count: Int) -> [UInt8] {
        [0xda, 0xbb, flags, status] + (0..<8).map { UInt8(truncatingIfNeeded: id >> (56 - 8 * $0)) }
            + (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) }
    }

    /// A Hessian string of characters of the basic plane, at most 1023.
    private static func string(_ text: String) -> [UInt8] {
        let count = text.utf16.count
        return (count < 32 ? [UInt8(count)] : [0x30 + UInt8(count >> 8), UInt8(count & 0xff)]) + Array(text.utf8)
    }
}

extension Connection {
    /// The next frame.
    func readFrame() throws -> [UInt8] {
        let header = try read(16)
        return header + (try read(DubboBytes.bodyBytes(header[...])))
    }

    /// Makes a call and waits for its reply.
    func call(_ id: UInt64, interface: String = "demo.Greeter", method: String = "hello") throws {
        try write(DubboBytes.request(id, interface: interface, method: method))
        guard try DubboBytes.id(readFrame()) == id else { throw Failure("another call's reply") }
    }
}
