internal import Glibc
internal import Settings

/// A connection whose reads and writes wait.
struct TapSocket: ~Copyable {
    private static let connectSeconds = 5

    private let descriptor: Int32

    /// Connects to the first of the host's addresses that accepts.
    init(to address: NetworkAddress) throws(TapProblem) {
        // An image without /etc/hosts does not know it.
        let hosts = address.host == .name("localhost") ? ["127.0.0.1", "::1"] : [address.hostText]
        var problem = TapProblem.unreachable("no address")
        for host in hosts {
            // What listens on every address is reached on this machine's own.
            switch Self.connected(address.isUnspecified ? nil : host, address.port) {
            case .success(let descriptor):
                self.descriptor = descriptor
                return
            case .failure(let failure): problem = failure
            }
        }
        throw problem
    }

    private static func connected(_ host: String?, _ port: UInt16) -> Result<Int32, TapProblem> {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        // SAFETY: the strings live through the call; `found` is a list of the resolver's, freed below.
        let status = unsafe getaddrinfo(host, String(port), &hints, &found)
        guard status == 0 else { return .failure(.unreachable(unsafe String(cString: gai_strerror(status)))) }
        defer { unsafe freeaddrinfo(found) }
        var failure = ENOENT
        var next = unsafe found
        while let entry = unsafe next {
            switch unsafe Self.connected(entry.pointee) {
            case .success(let descriptor): return .success(descriptor)
            case .failure(let error): failure = error.number
            }
            unsafe next = entry.pointee.ai_next
        }
        let reason = Output.text(of: failure == EINPROGRESS ? ETIMEDOUT : failure)
        return .failure(.unreachable(reason))
    }

    deinit { close(descriptor) }

    private struct Failure: Error {
        let number: Int32
    }

    private static func connected(_ entry: addrinfo) -> Result<Int32, Failure> {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = unsafe socket(entry.ai_family, type, 0)
        guard descriptor >= 0 else { return .failure(Failure(number: errno)) }
        setTime(descriptor, SO_SNDTIMEO, seconds: connectSeconds)
        // A pause is no sign of a peer that has vanished, so the kernel asks for it.
        set(descriptor, level: SOL_SOCKET, option: SO_KEEPALIVE, value: 1)
        set(descriptor, level: Int32(IPPROTO_TCP), option: TCP_KEEPIDLE, value: 30)
        set(descriptor, level: Int32(IPPROTO_TCP), option: TCP_KEEPINTVL, value: 10)
        set(descriptor, level: Int32(IPPROTO_TCP), option: TCP_KEEPCNT, value: 3)
        // SAFETY: the address is the resolver's, of the length it says.
        guard unsafe connect(descriptor, entry.ai_addr, entry.ai_addrlen) == 0 else {
            defer { close(descriptor) }
            return .failure(Failure(number: errno))
        }
        return .success(descriptor)
    }

    private static func set(_ descriptor: Int32, level: Int32, option: Int32, value: Int32) {
        var value = value
        // SAFETY: the option's value is an Int32.
        _ = unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// How long a read may wait; 0 for ever.
    func setPatience(seconds: Int) { Self.setTime(descriptor, SO_RCVTIMEO, seconds: seconds) }

    private static func setTime(_ descriptor: Int32, _ option: Int32, seconds: Int) {
        // The two words of a `timeval`, whose names the compiler finds in several modules.
        var time = [seconds, 0]
        precondition(MemoryLayout<timeval>.size == 2 * MemoryLayout<Int>.size)
        // SAFETY: the option's value is a timeval, which is as large as the two words.
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Writes all of `bytes`: whether the kernel took them.
    func write(_ bytes: [UInt8]) -> Bool {
        // A request is far smaller than a new socket's buffer.
        // SAFETY: the count is the array's.
        unsafe send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// Waits for bytes and puts them at the front of `buffer`: how many, 0 at the end.
    func read(into buffer: inout [UInt8]) throws(TapProblem) -> Int {
        while true {
            // SAFETY: the kernel writes at most as many bytes as the array holds.
            let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN: throw .broken("no answer in time")
            default: throw .broken("the connection was lost")
            }
        }
    }
}

/// The time of day, for people.
enum TapClock {
    /// `14:03:07.512`, where this machine is, of a time in seconds since 1970; `nil` for what is none.
    static func time(_ text: String) -> String? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, var seconds = time_t(parts[0]), parts[1].count == 9 else { return nil }
        var fields = unsafe tm()
        // SAFETY: the call fills one structure.
        guard unsafe localtime_r(&seconds, &fields) != nil else { return nil }
        let clock = unsafe [fields.tm_hour, fields.tm_min, fields.tm_sec].map { String(100 + $0).dropFirst() }
        return clock.joined(separator: ":") + "." + parts[1].prefix(3)
    }
}

/// How the terminal is to be addressed.
enum TapTerminal {
    /// True if colours are wanted: unless `NO_COLOR` says otherwise or the terminal knows none.
    static var hasColours: Bool {
        // SAFETY: getenv returns a C string of the environment, which Weir never changes, or nil.
        if let no = unsafe getenv("NO_COLOR"), unsafe no.pointee != 0 { return false }
        guard let terminal = unsafe getenv("TERM") else { return true }
        return unsafe String(cString: terminal) != "dumb"
    }
}
