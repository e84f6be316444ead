import Calls
import Glibc
import Policy

// A process that decides by limits which it has inherited, for the tests of limits that processes share.
//
// usage: LimitDecider MODE FIRST COUNT LIMIT…
//   MODE   decide:N  decides N times, and writes the time of each admitted call to standard output, eight bytes each
//          hold:N    takes N calls and keeps them; writes "held" and waits to be killed
//          die:N     is killed by itself when it reads the clock for the N-th time, which is under a lock
//          stop:N    is stopped by itself then, and when it is continued decides once more and writes "on"
//          private   has no descriptor left to share memory with; decides 10 times and writes how many were admitted
//   FIRST  the first descriptor of the limits, COUNT how many there are
//   LIMIT  ALGORITHM:NAME:LIMIT:NANOSECONDS

func definition(_ text: String) -> LimitDefinition {
    let parts = text.split(separator: ":").map { String($0) }
    guard parts.count == 4, let limit = Int(parts[2]), let time = Int64(parts[3]) else { exit(64) }
    let window = Duration.nanoseconds(time)
    switch parts[0] {
    case "sliding": return LimitDefinition(name: parts[1], algorithm: .slidingWindow(limit: limit, window: window))
    case "fixed": return LimitDefinition(name: parts[1], algorithm: .fixedWindow(limit: limit, window: window))
    case "bucket":
        return LimitDefinition(name: parts[1], algorithm: .tokenBucket(rate: limit, period: window, burst: limit))
    case "concurrency": return LimitDefinition(name: parts[1], algorithm: .concurrency(limit: limit))
    default: exit(64)
    }
}

/// The monotonic clock, which may do something to the process when it is read.
final class Clock: @unchecked Sendable {
    var told: UInt64 = 0
    var signalAfter = 0
    var signal: Int32 = 0

    func read() -> UInt64 {
        if signalAfter > 0 {
            signalAfter -= 1
            if signalAfter == 0 { raise(signal) }
        }
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        told = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        return told
    }
}

func say(_ text: String) {
    let bytes = Array(text.utf8)
    _ = write(1, bytes, bytes.count)
}

func run() throws {
    let arguments = CommandLine.arguments
    guard arguments.count > 3, let first = Int32(arguments[2]), let count = Int32(arguments[3]) else { exit(64) }
    let mode = arguments[1].split(separator: ":").map { String($0) }
    let number = mode.count > 1 ? Int(mode[1]) ?? 0 : 0
    if mode[0] == "private" {
        var none = rlimit(rlim_cur: 3, rlim_max: 3)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none)
    }
    let clock = Clock()
    let set = try LimitSet(
        definitions: arguments.dropFirst(4).map(definition),
        inheriting: InheritedLimits(descriptors: (0..<count).map { first + $0 }),
        clock: { clock.read() }
    )
    let operations = OperationRegistry(capacity: 10)
    let gate = LimitGate(registry: LimitRegistry(set), operations: operations)
    let id = operations.intern(Operation(callProtocol: .dubbo, interface: "a.B", version: "", group: "", method: "m"))
    var admitted = 0
    func decide() {
        guard case .admitted(let token) = gate.decide(id, side: .provider) else { return }
        admitted += 1
        if mode[0] == "decide" { _ = withUnsafeBytes(of: clock.told) { write(1, $0.baseAddress, 8) } }
        if mode[0] != "hold" { gate.release(token) }
    }
    switch mode[0] {
    case "hold":
        for _ in 0..<number { decide() }
        say(admitted == number && set.isShareable ? "held" : "refused")
        while true { pause() }
    case "die", "stop":
        clock.signal = mode[0] == "die" ? SIGKILL : SIGSTOP
        clock.signalAfter = number
        for _ in 0..<number { decide() }
        decide()
        say("on")
    case "private":
        for _ in 0..<10 { decide() }
        say("\(set.isShareable) \(set.limits.map(\.isShareable)) \(admitted)")
    default:
        for _ in 0..<number { decide() }
    }
}

try run()
