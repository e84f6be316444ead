import Foundation
import Testing

/// The pod of deploy/kubernetes.yaml in a network namespace, started and stopped as a kubelet does it.
///
/// The node is another namespace, which has the consumers too.
final class Pod {
    static let node = "weirit-node"
    static let pod = "weirit-pod"
    static let nodeHosts = ["10.118.6.1", "fd18:6::1"]
    static let hosts = ["10.118.6.2", "fd18:6::2"]

    let file: PodFile
    private let namespaces = Namespaces()
    private let folder: TemporaryFolder
    private let binary: String
    private var running: [String: ChildProcess] = [:]
    private var application: PeerServer?

    init() throws {
        file = try PodFile()
        folder = try TemporaryFolder()
        binary = try WeirBinary.copy(to: folder)
        try namespaces.add(Self.node)
        try namespaces.add(Self.pod)
        try namespaces.join((Self.node, Self.nodeHosts), (Self.pod, Self.hosts))
    }

    // MARK: What only a cluster has

    /// A second of the file lasts a fifth of one.
    private static let hurry = 5.0

    /// What the downward API says.
    private static let fields = [
        "status.podIP": hosts[0], "metadata.name": "orders-0", "metadata.namespace": "shop",
    ]

    /// A word of a command: the image has the binary in its PATH, and volumes where they are mounted.
    private func word(_ text: String) -> String {
        text == "weir" ? binary : text.replacing("/etc/weir", with: folder.path)
    }

    /// A file of a volume: its times are shorter.
    private func fileText(_ text: String) -> String {
        text.replacing(/\b([0-9]+)s\b/) { match in "\(Int(Double(match.1)! * 1000 / Self.hurry))ms" }
    }

    /// What stands for the application.
    private func startApplication(_ container: PodFile.Container) throws -> PeerServer {
        let port = try #require(container.ports["dubbo"])
        return try PeerServer(.drain, "5", "[::]:\(port)", namespace: Self.pod)
    }

    // MARK: Start

    /// Starts the init containers in their order and then the application; returns once every container is ready.
    func start() throws {
        for container in file.initContainers {
            for mount in container.node["volumeMounts"]?.items ?? [] {
                for (name, text) in try file.configMap(ofVolume: mount["name"]?.text ?? "") {
                    _ = try folder.file(name, text: fileText(text))
                }
            }
            let process = try ChildProcess(command(container, container.command))
            guard container.isSidecar else {
                guard try process.wait() == .exited(0) else { throw Failure(process.errorText) }
                continue
            }
            running[container.name] = process
            let probe = try #require(container.probe("startupProbe"))
            try eventually("\(container.name) has started", within: patience) {
                guard process.isRunning() else { throw Failure("\(container.name) ended: \(process.errorText)") }
                return (try? succeeds(probe)) == true
            }
        }
        for container in file.applications {
            let probe = try #require(container.probe("readinessProbe"))
            #expect(try !succeeds(probe), "there is no application yet")
            application = try startApplication(container)
        }
        for container in file.initContainers + file.applications {
            guard let probe = container.probe("readinessProbe") else { continue }
            try eventually("\(container.name) is ready") { try succeeds(probe) }
        }
    }

    /// A command as it runs in a container.
    private func command(_ container: PodFile.Container, _ words: [String]) throws -> [String] {
        let context = container.node["securityContext"]
        let environment = try (container.node["env"]?.items ?? []).map { variable in
            let field = variable["valueFrom", "fieldRef", "fieldPath"]?.text
            let value = field.map { Self.fields[$0] } ?? variable["value"]?.text
            return (name: variable["name"]?.text ?? "", value: try #require(value, "\(field ?? "")"))
        }
        #expect(context?["capabilities"]?.texts("drop") == ["ALL"])
        let confinement = Confinement(
            namespace: Self.pod,
            user: "\(try #require(container.user))",
            group: context?["runAsGroup"]?.text ?? "0",
            capabilities: context?["capabilities"]?.texts("add") ?? [],
            isReadOnly: context?["readOnlyRootFilesystem"]?.text == "true",
            mayGain: context?["allowPrivilegeEscalation"]?.text != "false",
            environment: environment
        )
        return confinement.command(words.map(word))
    }

    // MARK: Questions from the node

    /// Whether a probe succeeds now.
    func succeeds(_ probe: PodFile.Probe) throws -> Bool { try 200..<400 ~= get(probe.path, probe.port).status }

    func get(_ path: String, _ port: UInt16, host: String = hosts[0]) throws -> HTTPAnswer {
        try Namespaces.inside(Self.node) { try HTTPAnswer.get(path, from: Address(host, port)) }
    }

    /// The metrics page where the annotations say it is.
    func metrics() throws -> Metrics {
        let port = try #require(file.annotations["prometheus.io/port"]?.number)
        return try Metrics(text: get("/metrics", UInt16(port)).text)
    }

    /// A command in a container that runs or has run, to its end.
    func run(_ container: String, _ words: [String]) throws -> ChildProcess {
        let found = try #require(file.initContainers.first { $0.name == container })
        return try ChildProcess.run(command(found, words))
    }

    func process(_ container: String) throws -> ChildProcess { try #require(running[container]) }

    // MARK: End

    /// Ends the pod: every hook at once; the application once its own is over; then the sidecars, the last one first.
    ///
    /// - Parameter beforeEnd: What to look at just before the application ends.
    func stop(beforeEnd: () throws -> Void) throws {
        var hooks: [(name: String, process: ChildProcess)] = []
        for container in file.initContainers where container.isSidecar {
            guard let words = container.node["lifecycle", "preStop", "exec"]?.texts("command") else { continue }
            hooks.append((container.name, try ChildProcess(command(container, words))))
        }
        for container in file.applications {
            let seconds = try #require(container.node["lifecycle", "preStop", "sleep", "seconds"]?.number)
            Thread.sleep(forTimeInterval: Double(seconds) / Self.hurry)
        }
        try beforeEnd()
        _ = try application?.lastLine()
        for hook in hooks.reversed() {
            let end = try hook.process.wait()
            #expect(end == .exited(0), "\(hook.name): \(hook.process.outputText) \(hook.process.errorText)")
        }
        for container in file.initContainers.reversed() where container.isSidecar {
            let process = try process(container.name)
            process.send(SIGTERM)
            #expect(try process.wait() == .exited(0), "\(container.name): \(process.errorText)")
        }
    }
}
