internal import CLinux
internal import Glibc
internal import Wire

/// The Linux calls of the relay: these files are the only ones of the module that touch pointers.
///
/// Failures come back as negative error numbers, as from the kernel; the relay's decisions depend on which.
enum Linux {
    static func listen(_ at: Endpoint, dualStack: Bool, reusePort: Bool, transparent: Bool) -> Int32 {
        weir_listen(raw(at), dualStack ? 1 : 0, reusePort ? 1 : 0, transparent ? 1 : 0, 4096)
    }

    static func accept(_ listener: Int32) -> (descriptor: Int32, peer: Endpoint) {
        var peer = weir_endpoint()
        // SAFETY: the call writes one endpoint.
        let descriptor = unsafe weir_accept(listener, &peer)
        return (descriptor, endpoint(peer))
    }

    static func localEndpoint(_ descriptor: Int32) -> Endpoint? {
        var local = weir_endpoint()
        // SAFETY: the call writes one endpoint.
        let result = unsafe weir_local_endpoint(descriptor, &local)
        return result == 0 ? endpoint(local) : nil
    }

    static func originalDestination(_ descriptor: Int32, peerIsIPv6: Bool) -> Endpoint? {
        var original = weir_endpoint()
        // SAFETY: the call writes one endpoint.
        let result = unsafe weir_original_destination(descriptor, peerIsIPv6 ? 1 : 0, &original)
        return result == 0 ? endpoint(original) : nil
    }

    static func connect(_ to: Endpoint) -> Int32 { weir_connect(raw(to)) }
    static func socketError(_ descriptor: Int32) -> Int32 { weir_socket_error(descriptor) }
    static func resetOnClose(_ descriptor: Int32) { _ = weir_reset_on_close(descriptor) }
    static func unacknowledged(_ descriptor: Int32) -> Int { Int(weir_unacknowledged(descriptor)) }
    static func hasBytes(_ descriptor: Int32) -> Bool { weir_unread(descriptor) > 0 }
    /// About how many bytes a write takes at once; negative if fewer than `least`, and the event queue will tell of
    /// room.
    static func writeRoom(_ descriptor: Int32, least: Int) -> Int { weir_write_room(descriptor, least) }
    static func shutdownWrite(_ descriptor: Int32) { _ = weir_shutdown_write(descriptor) }
    static func close(_ descriptor: Int32) { _ = weir_close(descriptor) }
    static func isLocalAddress(_ endpoint: Endpoint) -> Bool { weir_is_local_address(raw(endpoint)) != 0 }
    /// True if the next two descriptors that the system gives are below a number; `any` is one that is open.
    static func fitsPair(_ any: Int32, below limit: Int32) -> Bool { weir_fits_pair(any, limit) != 0 }

    static func raiseFileLimit() -> UInt64 { weir_raise_file_limit() }
    static func affinityCount() -> Int { Int(weir_affinity_count()) }

    static func configure(_ descriptor: Int32, _ options: SocketOptions) {
        _ = weir_configure(
            descriptor,
            Int32(options.keepAliveIdleSeconds),
            Int32(options.keepAliveIntervalSeconds),
            Int32(options.keepAliveCount),
            Int32(options.userTimeoutMilliseconds)
        )
    }

    static func eventDescriptor() -> Int32 { weir_eventfd() }
    static func signal(_ event: Int32) { weir_eventfd_signal(event) }
    static func clear(_ event: Int32) { weir_eventfd_clear(event) }

    /// The text of an error number.
    static func message(_ error: Int32) -> String {
        // SAFETY: strerror returns a C string that stays until the next call on this thread.
        unsafe String(cString: strerror(error < 0 ? -error : error))
    }

    /// Writes as much of `bytes` as the kernel takes.
    static func write(_ descriptor: Int32, _ bytes: RawSpan) -> Int {
        unsafe bytes.withUnsafeBytes {
            // SAFETY: the pointer and count are of the span, which outlives the call.
            unsafe weir_write(descriptor, $0.baseAddress, $0.count)
        }
    }

    private final class ThreadBody {
        let name: StaticString
        let body: () -> Void

        init(_ name: StaticString, _ body: @escaping () -> Void) {
            self.name = name
            self.body = body
        }

        func run() {
            // SAFETY: a static string ends in a zero byte and lives for ever.
            unsafe weir_name_thread(UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self))
            body()
        }
    }

    /// Runs `body` on a thread of its own.
    static func startThread(named name: StaticString, _ body: sending @escaping () -> Void) -> Int32 {
        let context = unsafe Unmanaged.passRetained(ThreadBody(name, body)).toOpaque()
        // SAFETY: the new thread takes over the one reference.
        let result = unsafe weir_start_thread(
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run()
                return nil
            },
            context
        )
        // SAFETY: the thread did not start, so the reference is still ours.
        if result != 0 { unsafe Unmanaged<ThreadBody>.fromOpaque(context).release() }
        return result
    }

    private static func raw(_ endpoint: Endpoint) -> weir_endpoint {
        weir_endpoint(high: endpoint.high, low: endpoint.low, port: endpoint.port, is_ipv6: endpoint.isIPv6 ? 1 : 0)
    }

    private static func endpoint(_ raw: weir_endpoint) -> Endpoint {
        raw.is_ipv6 != 0
            ? Endpoint(high: raw.high, low: raw.low, port: raw.port)
            : Endpoint(ipv4: UInt32(truncatingIfNeeded: raw.low), port: raw.port)
    }
}

/// A kernel event queue, level-triggered.
@safe struct EventQueue: ~Copyable {
    // From <sys/epoll.h>.
    static let readable: UInt32 = 0x001
    static let writable: UInt32 = 0x004
    static let failed: UInt32 = 0x008 | 0x010
    private static let addOperation: Int32 = 1
    private static let removeOperation: Int32 = 2
    private static let changeOperation: Int32 = 3
    private static let capacity = 256

    private let descriptor: Int32
    private let events: UnsafeMutablePointer<weir_event>

    init?() {
        descriptor = weir_epoll_create()
        guard descriptor >= 0 else { return nil }
        unsafe events = .allocate(capacity: Self.capacity)
        unsafe events.initialize(repeating: weir_event(), count: Self.capacity)
    }

    deinit {
        Linux.close(descriptor)
        unsafe events.deallocate()
    }

    /// Another descriptor of the queue, readable while events wait in it; negative if there is none.
    func duplicate() -> Int32 { Linux.duplicate(descriptor) }

    func add(_ descriptor: Int32, _ mask: UInt32, token: UInt64) -> Int32 {
        weir_epoll_control(self.descriptor, Self.addOperation, descriptor, mask, token)
    }

    func change(_ descriptor: Int32, _ mask: UInt32, token: UInt64) {
        _ = weir_epoll_control(self.descriptor, Self.changeOperation, descriptor, mask, token)
    }

    func remove(_ descriptor: Int32) {
        _ = weir_epoll_control(self.descriptor, Self.removeOperation, descriptor, 0, 0)
    }

    /// Waits for events; a negative timeout waits for ever.
    func wait(milliseconds: Int32) -> Int {
        // SAFETY: `events` has room for `capacity` events.
        max(0, Int(unsafe weir_epoll_wait(descriptor, events, Int32(Self.capacity), milliseconds)))
    }

    @inline(__always)
    func event(_ index: Int) -> (mask: UInt32, token: UInt64) {
        // SAFETY: index is below what wait() returned, which is at most the capacity.
        unsafe (events[index].mask, events[index].token)
    }
}

/// The worker's one large buffer, into which every connection is read.
@safe struct ReadBuffer: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer

    init(byteCount: Int) {
        unsafe memory = .allocate(byteCount: byteCount, alignment: 64)
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { unsafe memory.deallocate() }

    var byteCount: Int { unsafe memory.count }

    /// Reads what is there, at most `limit` bytes and a buffer full.
    ///
    /// - Returns: The count, 0 at the end, or a negative error number.
    @inline(__always)
    func read(_ descriptor: Int32, _ limit: Int) -> Int {
        // SAFETY: the kernel writes at most as many bytes as it is told, which are at most those of the memory.
        unsafe weir_read(descriptor, memory.baseAddress, min(limit, memory.count))
    }

    /// Gives the first `count` bytes to `body`.
    @inline(__always)
    func withBytes(_ count: Int, _ body: (RawSpan) -> Void) {
        // SAFETY: the memory is initialised and lives as long as self; extracting checks the count.
        body(unsafe RawSpan(_unsafeBytes: memory).extracting(0..<count))
    }
}
