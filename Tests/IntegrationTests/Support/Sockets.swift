import Foundation

/// An IP address and a port.
struct Address: Equatable, CustomStringConvertible, Sendable {
    let host: String
    let port: UInt16

    init(_ host: String, _ port: UInt16) {
        self.host = host
        self.port = port
    }

    static func loopback(_ port: UInt16) -> Address { Address("127.0.0.1", port) }

    var isIPv6: Bool { host.contains(":") }
    var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Reads `1.2.3.4:5` and `[::1]:5`.
    init?(parsing text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        host = String(text[..<colon].filter { $0 != "[" && $0 != "]" })
        self.port = port
    }

    func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        if isIPv6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            inet_pton(AF_INET6, host, &address.sin6_addr)
            return Self.with(address, body)
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        inet_pton(AF_INET, host, &address.sin_addr)
        return Self.with(address, body)
    }

    private static func with<Raw, Result>(_ raw: Raw, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result
    {
        withUnsafePointer(to: raw) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<Raw>.size)) }
        }
    }

    fileprivate init(_ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32) throws {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, &length) }
        }
        guard result >= 0 else { throw Failure(call: "socket address") }
        var text = [CChar](repeating: 0, count: 64)
        let isIPv6 = Int32(storage.ss_family) == AF_INET6
        port = withUnsafeBytes(of: &storage) {
            let raw = $0
            let host = raw.baseAddress! + (isIPv6 ? 8 : 4)
            inet_ntop(Int32(raw.load(as: sa_family_t.self)), host, &text, socklen_t(text.count))
            return UInt16(bigEndian: raw.load(fromByteOffset: 2, as: UInt16.self))
        }
        host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A TCP connection on which nothing waits for ever.
final class Connection: @unchecked Sendable {
    /// What reading found when nothing more comes.
    enum End: Equatable {
        case closed
        case reset
    }

    private(set) var descriptor: Int32

    init(descriptor: Int32) {
        self.descriptor = descriptor
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }

    /// Connects; a refusal is thrown.
    convenience init(to address: Address) throws {
        let descriptor = try newSocket(isIPv6: address.isIPv6)
        guard address.withSocketAddress({ connect(descriptor, $0, $1) }) == 0 else {
            let failure = Failure(call: "connect to \(address)")
            Foundation.close(descriptor)
            throw failure
        }
        self.init(descriptor: descriptor)
    }

    /// How a connection ends on which nothing is sent; it may be reset before it was seen to be made.
    static func end(ofConnectionTo address: Address) throws -> End {
        do {
            return try Connection(to: address).readToEnd().end
        } catch let failure as Failure where failure.number == ECONNRESET {
            return .reset
        }
    }

    deinit { close() }

    func close() {
        guard descriptor >= 0 else { return }
        Foundation.close(descriptor)
        descriptor = -1
    }

    /// Ends with a reset.
    func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    var local: Address { get throws { try Address { getsockname(descriptor, $0, $1) } } }
    var peer: Address { get throws { try Address { getpeername(descriptor, $0, $1) } } }

    /// Waits until a socket is ready for one of `events`.
    func isReady(_ events: Int32, milliseconds: Int32) -> Bool {
        var wait = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return poll(&wait, 1, milliseconds) > 0
    }

    /// Writes what the kernel takes now; how much that was.
    func writeSome(_ bytes: ArraySlice<UInt8>) throws -> Int {
        let count = bytes.withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        if count >= 0 { return count }
        guard errno == EAGAIN || errno == EINTR else { throw Failure(call: "send") }
        return 0
    }

    /// Reads what is there now; how the peer ended if it did.
    func readSome(into bytes: inout [UInt8]) throws -> End? {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count == 0 { return .closed }
            if count > 0 {
                bytes += chunk[..<count]
                if count < chunk.count { return nil }
                continue
            }
            switch errno {
            case EAGAIN: return nil
            case EINTR: continue
            case ECONNRESET: return .reset
            default: throw Failure(call: "recv")
            }
        }
    }

    func write(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            guard isReady(POLLOUT, milliseconds: Int32(patience * 1000)) else { throw Failure("cannot write") }
            rest = rest.dropFirst(try writeSome(rest))
        }
    }

    /// Reads exactly that many bytes.
    func read(_ count: Int, within seconds: Double = patience) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: min(count, 65_536))
        while bytes.count < count {
            guard isReady(POLLIN, milliseconds: Int32(seconds * 1000)) else {
                throw Failure("\(bytes.count) of \(count) bytes within \(seconds) s")
            }
            let got = recv(descriptor, &chunk, min(chunk.count, count - bytes.count), 0)
            guard got > 0 else { throw got == 0 ? Failure("closed after \(bytes.count) bytes") : Failure(call: "recv") }
            bytes += chunk[..<got]
        }
        return bytes
    }

    /// Reads up to the end.
    func readToEnd(within seconds: Double = patience) throws -> (bytes: [UInt8], end: End) {
        var bytes: [UInt8] = []
        while true {
            guard isReady(POLLIN, milliseconds: Int32(seconds * 1000)) else {
                throw Failure("no end within \(seconds) s")
            }
            if let end = try readSome(into: &bytes) { return (bytes, end) }
        }
    }
}

/// A listening socket.
final class Listener: @unchecked Sendable {
    let descriptor: Int32
    let address: Address

    init(_ address: Address = .loopback(0)) throws {
        let descriptor = try newSocket(isIPv6: address.isIPv6)
        self.descriptor = descriptor
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, 4)
        guard address.withSocketAddress({ bind(descriptor, $0, $1) }) == 0, listen(descriptor, 128) == 0 else {
            throw Failure(call: "listen on \(address)")
        }
        self.address = try Address { getsockname(descriptor, $0, $1) }
    }

    deinit { close(descriptor) }

    /// Waits for a connection.
    func accept(within seconds: Double = patience) throws -> Connection {
        var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&wait, 1, Int32(seconds * 1000)) > 0 else { throw Failure("no connection within \(seconds) s") }
        let accepted = Foundation.accept(descriptor, nil, nil)
        guard accepted >= 0 else { throw Failure(call: "accept") }
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        return Connection(descriptor: accepted)
    }

    /// A port that nobody listens on now.
    static func freePort() throws -> UInt16 { try Listener().address.port }
}

private func newSocket(isIPv6: Bool) throws -> Int32 {
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = socket(isIPv6 ? AF_INET6 : AF_INET, type, 0)
    guard descriptor >= 0 else { throw Failure(call: "socket") }
    return descriptor
}
