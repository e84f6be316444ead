import Foundation

/// Two namespaces, a provider on every address of the second, and the executable where any user may run it.
final class RedirectScene {
    /// Why these tests cannot run here; `nil` where they can.
    private static let obstacle: String? = {
        if geteuid() != 0 { return "redirects are not tested: not root" }
        for program in ["ip", "nft", "setpriv"] where !isInstalled(program) {
            return "redirects are not tested: no \(program)"
        }
        guard (try? ChildProcess.run(["ip", "netns", "list"]))?.end == .exited(0),
            (try? ChildProcess.run(["unshare", "--net", "nft", "list", "ruleset"]))?.end == .exited(0)
        else { return "redirects are not tested: no network namespaces or no nftables here" }
        return nil
    }()

    /// Whether to go on; says why not.
    static func canRun() -> Bool {
        if let obstacle = obstacle { print(obstacle) }
        return obstacle == nil
    }

    static let consumer = "weirit-consumer"
    static let provider = "weirit-provider"
    static let consumerHosts = ["10.117.6.1", "fd17:6::1"]
    static let providerHosts = ["10.117.6.2", "fd17:6::2"]
    /// Further addresses of the provider's machine.
    static let secondHosts = ["10.117.6.3", "fd17:6::3"]
    static let port: UInt16 = 20880

    let namespaces = Namespaces()
    let folder: TemporaryFolder
    let binary: String
    let service: EchoProvider

    init() throws {
        folder = try TemporaryFolder()
        binary = try WeirBinary.copy(to: folder)
        try namespaces.add(Self.consumer)
        try namespaces.add(Self.provider)
        try namespaces.join(
            (Self.consumer, Self.consumerHosts),
            (Self.provider, Self.providerHosts + Self.secondHosts)
        )
        service = try Namespaces.inside(Self.provider) {
            EchoProvider(try Listener(Address("::", Self.port)))
        }
    }

    deinit { service.stop() }

    func weir(in namespace: String, _ arguments: [String], user: String? = nil) throws -> WeirProcess {
        var prefix = ["ip", "netns", "exec", namespace]
        if let user { prefix += ["setpriv", "--reuid", user, "--clear-groups"] }
        return try WeirProcess(arguments, prefix: prefix, binary: binary) { address in
            try Namespaces.inside(namespace) { try Connection(to: address) }
        }
    }

    func intercept(in namespace: String, _ arguments: String...) throws {
        try intercept(in: namespace, arguments)
    }

    func intercept(in namespace: String, _ arguments: [String]) throws {
        let run = try interceptRun(in: namespace, arguments)
        guard run.end == .exited(0) else { throw Failure("weir intercept \(arguments): \(run.errorText)") }
    }

    /// `weir intercept` to its end, whatever that is.
    func interceptRun(in namespace: String, _ arguments: [String]) throws -> ChildProcess {
        try ChildProcess.run(["ip", "netns", "exec", namespace, binary, "intercept"] + arguments)
    }

    /// The tables that nftables has there.
    func tables(in namespace: String) throws -> [String] {
        let run = try ChildProcess.run(["ip", "netns", "exec", namespace, "nft", "list", "tables"])
        return run.outputText.split(separator: "\n").map { String($0) }
    }

    /// The network devices there.
    func devices(in namespace: String) throws -> String {
        try ChildProcess.run(["ip", "-n", namespace, "-brief", "link"]).outputText
    }

    /// Somebody else's NAT: connections to one port come to another.
    func redirect(port: UInt16, to other: UInt16, in namespace: String) throws {
        let rules = """
            table inet weirit {
                chain prerouting {
                    type nat hook prerouting priority -110; policy accept;
                    tcp dport \(port) redirect to :\(other)
                }
            }

            """
        let command = ["ip", "netns", "exec", namespace, "nft", "-f", try folder.file("rules", text: rules)]
        let run = try ChildProcess.run(command)
        guard run.end == .exited(0) else { throw Failure("nft: \(run.errorText)") }
    }

    func connect(from namespace: String, to host: String, _ port: UInt16 = RedirectScene.port) throws
        -> Connection
    {
        try Namespaces.inside(namespace) { try Connection(to: Address(host, port)) }
    }

    /// How a connection to the proxy's own port ends.
    func end(ofConnectionFrom namespace: String, to host: String) throws -> Connection.End {
        try Namespaces.inside(namespace) { try Connection.end(ofConnectionTo: Address(host, 16006)) }
    }

    /// Who the provider was last connected by, IPv4 addresses written as such.
    func lastPeer() -> String? {
        service.connections.last.map { $0.peer.host.replacingOccurrences(of: "::ffff:", with: "") }
    }
}
