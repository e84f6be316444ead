import Foundation

/// A local socket as the two processes of a takeover use it, for those that do not keep to the protocol.
final class LocalSocket: Sendable {
    let descriptor: Int32

    private init(_ descriptor: Int32) throws {
        guard descriptor >= 0 else { throw SocketError("socket") }
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    static func connect(port: UInt16) throws -> LocalSocket {
        let made = try LocalSocket(socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
        guard made.withName(port, Foundation.connect) == 0 else { throw SocketError("connect") }
        return made
    }

    static func listen(port: UInt16) throws -> LocalSocket {
        let made = try LocalSocket(socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
        guard made.withName(port, bind) == 0, Foundation.listen(made.descriptor, 4) == 0 else {
            throw SocketError("listen")
        }
        return made
    }

    func accept() throws -> LocalSocket { try LocalSocket(Foundation.accept(descriptor, nil, nil)) }

    private func withName(_ port: UInt16, _ call: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array("\0weir-takeover-\(port)".utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        return withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call(descriptor, $0, length) }
        }
    }

    /// Sends a packet; false when nobody takes it.
    @discardableResult
    func send(_ bytes: [UInt8], _ descriptors: [Int32] = []) -> Bool {
        // Like the C library's CMSG_ macros, of which Swift knows nothing: length, level, type, then the data.
        let header = MemoryLayout<cmsghdr>.size
        let data = descriptors.count * MemoryLayout<Int32>.size
        var control = [UInt8](repeating: 0, count: (header + data + 7) & ~7)
        control.withUnsafeMutableBytes { control in
            var fields = cmsghdr()
            (fields.cmsg_len, fields.cmsg_level, fields.cmsg_type) = (header + data, SOL_SOCKET, 1)
            control.storeBytes(of: fields, as: cmsghdr.self)
            descriptors.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(rebasing: control[header...]).copyMemory(from: $0)
            }
        }
        var bytes = bytes
        return bytes.withUnsafeMutableBytes { bytes in
            control.withUnsafeMutableBytes { control in
                var vector = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                return withUnsafeMutablePointer(to: &vector) { vector in
                    var message = msghdr()
                    message.msg_iov = vector
                    message.msg_iovlen = 1
                    if !descriptors.isEmpty {
                        message.msg_control = control.baseAddress
                        message.msg_controllen = control.count
                    }
                    return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL)) >= 0
                }
            }
        }
    }

    @discardableResult
    func send(_ text: String, _ descriptors: [Int32] = []) -> Bool { send(Array(text.utf8), descriptors) }

    /// The next packet, without its descriptors; empty at the end.
    func receive() throws -> String {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        if count < 0, errno == ECONNRESET { return "" }
        guard count >= 0 else { throw SocketError("recv") }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
