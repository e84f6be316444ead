internal import CLinux
internal import Clocks
internal import Glibc
internal import Synchronization
internal import Wire

/// A TCP connection with blocking reads and writes; the only file of the module that touches pointers.
///
/// Any thread may shut it down, which ends the waits of the others. The descriptor is closed with the last reference,
/// so that its number is never another socket's while a thread still uses it.
final class DemoSocket: Sendable {
    /// The longest time that a peer may refuse bytes before the connection is given up.
    private static let writePatienceMilliseconds: Int32 = 2000

    private let descriptor: Int32
    private let writing = Mutex(())

    fileprivate init(owning descriptor: Int32) {
        self.descriptor = descriptor
        _ = weir_configure(descriptor, 0, 0, 0, 0)
    }

    deinit { _ = weir_close(descriptor) }

    /// Connects, waiting `milliseconds` at most; `nil` for a text that is no IP address and for a peer that refuses.
    static func connect(to address: String, port: UInt16, milliseconds: Int32) -> DemoSocket? {
        guard let endpoint = weir_endpoint(address, port: port) else { return nil }
        let descriptor = weir_connect(endpoint)
        guard descriptor >= 0 else { return nil }
        let socket = DemoSocket(owning: descriptor)
        guard poll(descriptor, POLLOUT, milliseconds: milliseconds) else { return nil }
        return weir_socket_error(descriptor) == 0 ? socket : nil
    }

    /// Waits for bytes and puts them at the front of `buffer`: how many, 0 when there will be no more.
    func read(into buffer: inout [UInt8]) -> Int {
        while true {
            guard poll(descriptor, POLLIN, milliseconds: -1) else { return 0 }
            // SAFETY: the kernel writes at most as many bytes as the array holds.
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe weir_read(descriptor, $0.baseAddress, $0.count) }
            if count != -Int(EAGAIN), count != -Int(EINTR) { return max(0, count) }
        }
    }

    /// Writes all of `bytes` without mixing with other writers; true if the peer's kernel took them.
    func write(_ bytes: [UInt8]) -> Bool {
        writing.withLock { _ in
            var written = 0
            while written < bytes.count {
                // SAFETY: the pointer and the count are of what is left of the array, which outlives the call.
                let count = unsafe bytes[written...].withUnsafeBytes {
                    unsafe weir_write(descriptor, $0.baseAddress, $0.count)
                }
                if count > 0 {
                    written += count
                } else if count == -Int(EAGAIN) {
                    let canWrite = poll(descriptor, POLLOUT, milliseconds: Self.writePatienceMilliseconds)
                    guard canWrite else { return false }
                } else if count != -Int(EINTR) {
                    return false
                }
            }
            return true
        }
    }

    /// Ends the connection in both directions.
    func shutDown() { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
}

/// A listening TCP socket on 127.0.0.1.
final class DemoListener: Sendable {
    private let descriptor: Int32
    /// The port, also when the kernel chose it.
    let port: UInt16

    init(port: UInt16) throws(DemoError) {
        let loopback = weir_endpoint(high: 0, low: 0x7f00_0001, port: port, is_ipv6: 0)
        let result = weir_listen(loopback, 0, 0, 0, 1024)
        guard result >= 0 else { throw .cannotListen(port: port, errorNumber: -result) }
        var bound = loopback
        // SAFETY: the call writes one endpoint.
        let status = unsafe weir_local_endpoint(result, &bound)
        descriptor = result
        self.port = bound.port
        if status < 0 { throw .cannotListen(port: port, errorNumber: -status) }
    }

    deinit { _ = weir_close(descriptor) }

    /// Waits for the next connection; `nil` when there may be none now, as after ``shutDown()``.
    func accept() -> DemoSocket? {
        guard poll(descriptor, POLLIN, milliseconds: -1) else { return nil }
        var peer = weir_endpoint()
        // SAFETY: the call writes one endpoint.
        let accepted = unsafe weir_accept(descriptor, &peer)
        return accepted >= 0 ? DemoSocket(owning: accepted) : nil
    }

    /// Makes ``accept()`` return at once from now on.
    func shutDown() { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
}

/// A bell that wakes a thread that sleeps until a given time.
final class DemoBell: Sendable {
    /// Without a descriptor nothing can ring: the sleeper then looks up this often.
    private static let blindNanoseconds: UInt64 = 20_000_000

    private let descriptor = weir_eventfd()

    deinit { if descriptor >= 0 { _ = weir_close(descriptor) } }

    /// Ends the sleep of the thread in ``wait(until:)``, or its next one.
    func ring() { weir_eventfd_signal(descriptor) }

    /// Sleeps until `deadline` on the monotonic clock, or until the bell rings.
    func wait(until deadline: UInt64) {
        let now = SystemClock.now()
        guard deadline > now else { return }
        let nanoseconds = descriptor < 0 ? min(deadline - now, Self.blindNanoseconds) : deadline - now
        // Rounded up, so that the sleeper does not look at the clock over and over in the last millisecond.
        let milliseconds = Int32(min((nanoseconds - 1) / 1_000_000 + 1, 3_600_000))
        // A descriptor of −1 is passed over: then this only sleeps.
        let hasRung = poll(descriptor, POLLIN, milliseconds: milliseconds)
        if hasRung { weir_eventfd_clear(descriptor) }
    }
}

/// Threads that are joined together.
final class DemoThreads: Sendable {
    /// The body of a thread; its captures are released before it counts as ended.
    private final class Body {
        private var body: (() -> Void)?
        private let threads: DemoThreads

        init(_ threads: DemoThreads, _ body: @escaping () -> Void) { (self.threads, self.body) = (threads, body) }

        func run() {
            body?()
            body = nil
            threads.ended()
        }
    }

    private let running = Mutex(0)
    private let bell = DemoBell()

    /// Runs `body` on a thread of its own; true if there could be one.
    func start(_ body: @escaping @Sendable () -> Void) -> Bool {
        running.withLock { $0 += 1 }
        let context = unsafe Unmanaged.passRetained(Body(self, body)).toOpaque()
        // SAFETY: the new thread takes over the one reference.
        let result = unsafe weir_start_thread(
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
                return nil
            },
            context
        )
        guard result != 0 else { return true }
        // SAFETY: the thread did not start, so the reference is still ours.
        unsafe Unmanaged<Body>.fromOpaque(context).release()
        ended()
        return false
    }

    /// Returns when no thread runs any more.
    func waitForAll() {
        while running.withLock({ $0 > 0 }) { bell.wait(until: SystemClock.now() + 100_000_000) }
    }

    private func ended() {
        running.withLock { $0 -= 1 }
        bell.ring()
    }
}

extension DemoError: CustomStringConvertible {
    /// The problem, for people.
    public var description: String {
        switch self {
        case .cannotListen(let port, let errorNumber):
            // SAFETY: strerror returns a C string that stays until the next call on this thread.
            let reason = unsafe String(cString: strerror(errorNumber))
            return "cannot listen on 127.0.0.1:\(port): \(reason)"
        case .noThread: return "cannot start a thread"
        }
    }
}

/// Waits until the descriptor is ready (or broken), at most `milliseconds`, for ever when negative.
private func poll(_ descriptor: Int32, _ events: Int32, milliseconds: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    while true {
        // SAFETY: one entry, alive during the call.
        let count = unsafe Glibc.poll(&entry, 1, milliseconds)
        if count >= 0 { return count > 0 }
        guard errno == EINTR else { return false }
    }
}

extension weir_endpoint {
    /// The endpoint of an IPv4 or IPv6 address; `nil` for other texts.
    fileprivate init?(_ address: String, port: UInt16) {
        var (four, six) = (in_addr(), in6_addr())
        // SAFETY: inet_pton reads a C string and writes one address of the family asked for.
        if unsafe inet_pton(AF_INET, address, &four) == 1 {
            self.init(high: 0, low: UInt64(UInt32(bigEndian: four.s_addr)), port: port, is_ipv6: 0)
        } else if unsafe inet_pton(AF_INET6, address, &six) == 1 {
            // SAFETY: an address of 16 bytes, read inside the closure.
            let (high, low) = unsafe withUnsafeBytes(of: six) {
                unsafe ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            }
            self.init(high: UInt64(bigEndian: high), low: UInt64(bigEndian: low), port: port, is_ipv6: 1)
        } else {
            return nil
        }
    }
}
