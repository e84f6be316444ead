internal import CLinux
internal import Glibc
internal import Wire

/// Local sockets that carry descriptors.
extension Linux {
    /// The most descriptors that one message carries.
    static let maxDescriptorsPerMessage = Int(WEIR_MAX_DESCRIPTORS)

    static func localListen(_ name: String) -> Int32 {
        // SAFETY: the C string lives as long as the call.
        unsafe name.withCString { unsafe weir_local_listen($0) }
    }

    static func localConnect(_ name: String) -> Int32 {
        // SAFETY: as above.
        unsafe name.withCString { unsafe weir_local_connect($0) }
    }

    static func localAccept(_ listener: Int32) -> Int32 { weir_local_accept(listener) }
    static var effectiveUser: UInt32 { weir_effective_user() }

    /// The user at the other end of a local socket.
    static func peerUser(_ descriptor: Int32) -> UInt32? {
        var user: UInt32 = 0
        // SAFETY: the call writes one number.
        return unsafe weir_peer_user(descriptor, &user) == 0 ? user : nil
    }

    /// The result of a wait.
    enum Readiness {
        case ready
        case stopped
        case timedOut
        case failed(Int32)
    }

    /// Waits until the socket has something to read, or room to write, or somebody signals `stop`.
    static func wait(
        _ descriptor: Int32,
        toRead: Bool = false,
        toWrite: Bool = false,
        stop: Int32,
        milliseconds: Int32
    ) -> Readiness {
        let events = (toWrite ? POLLOUT : 0) | (toRead || !toWrite ? POLLIN : 0)
        return switch weir_wait(descriptor, Int32(events), stop, milliseconds) {
        case 0: .timedOut
        case 1: .ready
        case 2: .stopped
        case let error: .failed(error)
        }
    }

    /// Sends one message: its size, or a negative error number.
    static func send(_ descriptor: Int32, bytes: [UInt8], descriptors: [Int32]) -> Int {
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe descriptors.withUnsafeBufferPointer { descriptors in
                // SAFETY: pointers and counts are of the arrays, which outlive the call.
                unsafe weir_send_descriptors(
                    descriptor,
                    bytes.baseAddress,
                    bytes.count,
                    descriptors.baseAddress,
                    Int32(clamping: descriptors.count)
                )
            }
        }
    }

    /// Receives one message of at most `limit` bytes: its size, 0 at the end, or a negative error number.
    static func receive(_ descriptor: Int32, limit: Int) -> (result: Int, bytes: [UInt8], descriptors: [Int32]) {
        var bytes = [UInt8](repeating: 0, count: limit)
        var descriptors = [Int32](repeating: -1, count: maxDescriptorsPerMessage)
        var count: Int32 = 0
        let result = unsafe bytes.withUnsafeMutableBytes { bytes in
            unsafe descriptors.withUnsafeMutableBufferPointer { descriptors in
                // SAFETY: the call writes at most `limit` bytes and as many descriptors as a message carries, for
                // which both arrays have room.
                unsafe weir_receive_descriptors(
                    descriptor,
                    bytes.baseAddress,
                    bytes.count,
                    descriptors.baseAddress,
                    &count
                )
            }
        }
        return (result, Array(bytes.prefix(max(0, result))), Array(descriptors.prefix(Int(count))))
    }

    static func duplicate(_ descriptor: Int32) -> Int32 { weir_duplicate(descriptor) }
    static func isTCPListener(_ descriptor: Int32) -> Bool { weir_is_tcp_listener(descriptor) != 0 }
    static func adoptListener(_ descriptor: Int32, transparent: Bool) -> Int32 {
        weir_adopt_listener(descriptor, transparent ? 1 : 0)
    }
}
