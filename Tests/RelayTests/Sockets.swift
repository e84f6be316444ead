import Foundation
import Wire

/// Why a socket call of a test did not do what the test needs.
struct SocketError: Error, CustomStringConvertible {
    let call: String
    let number: Int32

    init(_ call: String, _ number: Int32 = errno) {
        self.call = call
        self.number = number
    }

    var description: String { "\(call): \(String(cString: strerror(number)))" }
}

extension Endpoint {
    static func loopback(_ port: UInt16 = 0) -> Endpoint { Endpoint(ipv4: 0x7f00_0001, port: port) }
    static func loopback6(_ port: UInt16 = 0) -> Endpoint { Endpoint(high: 0, low: 1, port: port) }

    fileprivate func withAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        if isIPv6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &address.sin6_addr) {
                $0.storeBytes(of: high.bigEndian, as: UInt64.self)
                $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            return withUnsafePointer(to: address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(truncatingIfNeeded: low).bigEndian
        return withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }
}

/// A blocking TCP socket; every call fails after half a minute rather than wait for ever.
final class TestSocket: @unchecked Sendable {
    /// How a peer's bytes ended.
    enum End: Equatable {
        case closed
        case reset
        case failed(Int32)
    }

    let descriptor: Int32
    private var isClosed = false

    init(descriptor: Int32) {
        self.descriptor = descriptor
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            var limit = timeval(tv_sec: 120, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    deinit { close() }

    /// Connects, and with `isBlocking: false` does not wait for the outcome.
    static func connect(to endpoint: Endpoint, receiveBuffer: Int32? = nil, isBlocking: Bool = true) throws
        -> TestSocket
    {
        let family = endpoint.isIPv6 ? AF_INET6 : AF_INET
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { throw SocketError("socket") }
        let made = TestSocket(descriptor: descriptor)
        if let receiveBuffer { made.set(SOL_SOCKET, SO_RCVBUF, receiveBuffer) }
        if !isBlocking { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
        let result = endpoint.withAddress { Foundation.connect(descriptor, $0, $1) }
        guard result == 0 || (!isBlocking && errno == EINPROGRESS) else { throw SocketError("connect") }
        return made
    }

    func set(_ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    // MARK: Writing

    func write(_ bytes: some Collection<UInt8>) throws {
        let bytes = Array(bytes)
        var at = 0
        while at < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(descriptor, $0.baseAddress! + at, bytes.count - at, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw SocketError("send") }
            at += count
        }
    }

    /// Writes what the kernel takes at once: how much.
    func writeSome(_ bytes: ArraySlice<UInt8>) throws -> Int {
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
        let count = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, flags) }
        guard count < 0 else { return count }
        guard errno == EAGAIN else { throw SocketError("send") }
        return 0
    }

    /// Whether the socket is ready for `events` within the time.
    func poll(_ events: Int32, milliseconds: Int32) -> Bool {
        var descriptor = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return Foundation.poll(&descriptor, 1, milliseconds) > 0
    }

    /// Bytes written that the peer's kernel has not acknowledged.
    var unacknowledged: Int {
        var count: Int32 = 0
        _ = withUnsafeMutablePointer(to: &count) { ioctl(descriptor, UInt(TIOCOUTQ), $0) }
        return Int(count)
    }

    /// Waits until the peer's kernel has everything.
    func waitUntilAcknowledged(milliseconds: Int = 120_000) -> Bool {
        let deadline = Date(timeIntervalSinceNow: Double(milliseconds) / 1000)
        while unacknowledged > 0 {
            guard Date() < deadline else { return false }
            usleep(200)
        }
        return true
    }

    // MARK: Reading

    /// Some bytes; empty at the end; throws what went wrong.
    func readSome(_ limit: Int = 65_536) throws -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            let result = recv(descriptor, buffer.baseAddress, limit, 0)
            failure = result < 0 ? errno : 0
            count = max(0, result)
        }
        guard failure == 0 else { throw SocketError("recv", failure) }
        return bytes
    }

    func read(exactly count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let some = try readSome(min(65_536, count - bytes.count))
            guard !some.isEmpty else { throw SocketError("recv: ended after \(bytes.count) of \(count)", 0) }
            bytes += some
        }
        return bytes
    }

    /// Everything until the end, and what kind of end it is.
    func readToEnd() -> (bytes: [UInt8], end: End) {
        var bytes: [UInt8] = []
        while true {
            do {
                let some = try readSome()
                if some.isEmpty { return (bytes, .closed) }
                bytes += some
            } catch {
                let number = (error as? SocketError)?.number ?? 0
                return (bytes, number == ECONNRESET ? .reset : .failed(number))
            }
        }
    }

    // MARK: Ends

    func shutdownWrite() { shutdown(descriptor, Int32(SHUT_WR)) }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        Foundation.close(descriptor)
    }

    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Foundation.linger>.size))
        close()
    }
}

/// A listening socket on loopback, the application behind the relay.
final class TestListener: @unchecked Sendable {
    let descriptor: Int32
    let endpoint: Endpoint

    init(
        _ at: Endpoint = .loopback(),
        backlog: Int32 = 4096,
        receiveBuffer: Int32? = nil,
        isShared: Bool = false
    ) throws {
        let family = at.isIPv6 ? AF_INET6 : AF_INET
        descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SocketError("socket") }
        var options: [(Int32, Int32)] = [(SO_REUSEADDR, 1)]
        if isShared { options.append((SO_REUSEPORT, 1)) }
        if let receiveBuffer { options.append((SO_RCVBUF, receiveBuffer)) }
        for (option, setting) in options {
            var value = setting
            setsockopt(descriptor, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        let descriptor = descriptor
        guard at.withAddress({ bind(descriptor, $0, $1) }) == 0, listen(descriptor, backlog) == 0 else {
            throw SocketError("listen")
        }
        // The port lies at the same place in both families.
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let port = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
            return UnsafeRawPointer(pointer).load(fromByteOffset: 2, as: UInt16.self).bigEndian
        }
        endpoint =
            at.isIPv6 ? Endpoint(high: at.high, low: at.low, port: port) : Endpoint(ipv4: UInt32(at.low), port: port)
    }

    deinit { close(descriptor) }

    func accept(milliseconds: Int32 = 120_000) throws -> TestSocket {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, milliseconds) > 0 else { throw SocketError("accept", ETIMEDOUT) }
        let accepted = Foundation.accept(descriptor, nil, nil)
        guard accepted >= 0 else { throw SocketError("accept") }
        return TestSocket(descriptor: accepted)
    }

    /// Whether nobody connects within the time.
    func isIdle(milliseconds: Int32) -> Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&waiting, 1, milliseconds) == 0
    }
}

/// Work on a thread of its own, whose result is asked for later.
final class Background<Value: Sendable>: @unchecked Sendable {
    private let done = DispatchSemaphore(value: 0)
    private var result: Result<Value, any Error>?

    init(_ body: @escaping @Sendable () throws -> Value) {
        let thread = Thread { [self] in
            result = Result { try body() }
            done.signal()
        }
        thread.start()
    }

    /// Waits for the result.
    func value() throws -> Value {
        done.wait()
        done.signal()
        guard let result else { throw SocketError("thread", 0) }
        return try result.get()
    }
}
