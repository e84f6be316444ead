import Foundation

/// Network namespaces joined by pairs of virtual devices; they go away with their owner.
///
/// Sockets are made inside a namespace by a thread that enters it; afterwards they are used from anywhere.
final class Namespaces {
    private var names: [String] = []

    /// Makes a namespace with its loopback device up.
    func add(_ name: String) throws {
        // One that an earlier run left behind when it was killed.
        _ = try ChildProcess.run(["ip", "netns", "delete", name])
        try Self.ip("netns", "add", name)
        names.append(name)
        try Self.ip("-n", name, "link", "set", "lo", "up")
    }

    /// Joins two namespaces; both ends get an IPv4 and an IPv6 address.
    func join(_ left: (name: String, hosts: [String]), _ right: (name: String, hosts: [String])) throws {
        let devices = ["v-\(left.name.suffix(9))", "v-\(right.name.suffix(9))"]
        try Self.ip(
            "link",
            "add",
            devices[0],
            "netns",
            left.name,
            "type",
            "veth",
            "peer",
            "name",
            devices[1],
            "netns",
            right.name
        )
        for (end, device) in zip([left, right], devices) {
            for host in end.hosts {
                let isIPv6 = host.contains(":")
                // Without duplicate address detection the address can be used at once.
                let flags = isIPv6 ? ["nodad"] : []
                try Self.ip(["-n", end.name, "address", "add", host + (isIPv6 ? "/64" : "/24"), "dev", device] + flags)
            }
            try Self.ip("-n", end.name, "link", "set", device, "up")
        }
    }

    deinit {
        for name in names { _ = try? ChildProcess.run(["ip", "netns", "delete", name]) }
    }

    private static func ip(_ arguments: String...) throws { try ip(arguments) }

    private static func ip(_ arguments: [String]) throws {
        let run = try ChildProcess.run(["ip"] + arguments)
        guard run.end == .exited(0) else { throw Failure("ip \(arguments.joined(separator: " ")): \(run.errorText)") }
    }

    /// Runs `body` on a thread inside a namespace.
    static func inside<Result: Sendable>(_ name: String, _ body: @escaping @Sendable () throws -> Result) throws
        -> Result
    {
        let box = Box<Result>()
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            box.result = Swift.Result {
                try enter(name)
                return try body()
            }
            done.signal()
        }
        guard done.wait(timeout: .now() + patience) == .success, let result = box.result else {
            throw Failure("nothing came back from namespace \(name)")
        }
        return try result.get()
    }

    private final class Box<Value>: @unchecked Sendable {
        var result: Result<Value, any Error>?
    }

    private static func enter(_ name: String) throws {
        let descriptor = open("/run/netns/\(name)", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(call: "namespace \(name)") }
        defer { close(descriptor) }
        // Not among the declarations that Swift sees.
        typealias SetNamespace = @convention(c) (Int32, Int32) -> Int32
        guard let symbol = dlsym(nil, "setns") else { throw Failure("no setns") }
        let isNetwork: Int32 = 0x4000_0000
        guard unsafeBitCast(symbol, to: SetNamespace.self)(descriptor, isNetwork) == 0 else {
            throw Failure(call: "setns")
        }
    }
}
