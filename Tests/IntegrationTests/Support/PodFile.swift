import Foundation
import Settings

/// deploy/kubernetes.yaml, as far as a kubelet reads it.
struct PodFile {
    /// A container of the pod.
    struct Container {
        let name: String
        /// Whether it is an init container that stays.
        let isSidecar: Bool
        let node: YAMLNode

        var command: [String] { node.texts("command") + node.texts("args") }
        var user: Int? { node["securityContext", "runAsUser"]?.number }

        /// A probe of that name, such as `startupProbe`.
        func probe(_ name: String) -> Probe? { node[name].flatMap { Probe($0, ports: ports) } }

        /// The container's ports by name.
        var ports: [String: UInt16] {
            let pairs = (node["ports"]?.items ?? []).compactMap { port in
                port["name"]?.text.flatMap { name in port["containerPort"]?.number.map { (name, UInt16($0)) } }
            }
            return Dictionary(uniqueKeysWithValues: pairs)
        }
    }

    /// An `httpGet` with its numbers, or what a kubelet takes for those.
    struct Probe {
        let path: String
        let port: UInt16
        let periodSeconds: Int
        let failureThreshold: Int

        init?(_ node: YAMLNode, ports: [String: UInt16]) {
            guard let path = node["httpGet", "path"]?.text, let name = node["httpGet", "port"]?.text,
                let port = UInt16(name) ?? ports[name]
            else { return nil }
            self.path = path
            self.port = port
            periodSeconds = node["periodSeconds"]?.number ?? 10
            failureThreshold = node["failureThreshold"]?.number ?? 3
        }
    }

    let deployment: YAMLNode
    /// The files of each config map.
    let configMaps: [String: [String: String]]

    init() throws {
        let text = try deployFile("kubernetes.yaml")
        let documents = try text.components(separatedBy: "\n---\n").map { part in
            let document = YAMLDocument(bytes: Array(part.utf8))
            guard let root = document.root, document.problems.isEmpty else { throw Failure("\(document.problems)") }
            return root
        }
        guard let deployment = documents.first(where: { $0["kind"]?.text == "Deployment" }) else {
            throw Failure("deploy/kubernetes.yaml has no Deployment")
        }
        self.deployment = deployment
        let maps = documents.filter { $0["kind"]?.text == "ConfigMap" }.map { map in
            (map["metadata", "name"]?.text ?? "", (map["data"]?.entries ?? [:]).compactMapValues(\.text))
        }
        configMaps = Dictionary(uniqueKeysWithValues: maps)
    }

    /// The pod's own part.
    var spec: YAMLNode? { deployment["spec", "template", "spec"] }
    var annotations: [String: YAMLNode] { deployment["spec", "template", "metadata", "annotations"]?.entries ?? [:] }
    var initContainers: [Container] { containers("initContainers") }
    var applications: [Container] { containers("containers") }

    /// The config map behind a volume.
    func configMap(ofVolume name: String) throws -> [String: String] {
        let volume = (spec?["volumes"]?.items ?? []).first { $0["name"]?.text == name }
        guard let map = volume?["configMap", "name"]?.text, let files = configMaps[map] else {
            throw Failure("no config map behind the volume \(name)")
        }
        return files
    }

    private func containers(_ key: String) -> [Container] {
        (spec?[key]?.items ?? []).map { node in
            Container(
                name: node["name"]?.text ?? "",
                isSidecar: key == "initContainers" && node["restartPolicy"]?.text == "Always",
                node: node
            )
        }
    }
}

extension YAMLNode {
    /// The value at the end of a way of keys.
    subscript(_ keys: String...) -> YAMLNode? {
        keys.reduce(Optional(self)) { node, key in node?.entries[key] }
    }

    /// A mapping's values by key.
    var entries: [String: YAMLNode] {
        guard case .mapping(let entries) = content else { return [:] }
        return Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.value) })
    }

    /// A list's values.
    var items: [YAMLNode] {
        guard case .sequence(let items) = content else { return [] }
        return items
    }

    var text: String? {
        guard case .scalar(let text, _) = content else { return nil }
        return text
    }

    var number: Int? { text.flatMap { Int($0) } }

    /// The texts of a list.
    func texts(_ key: String) -> [String] { (self[key]?.items ?? []).compactMap(\.text) }
}

/// A file of the folder deploy.
func deployFile(_ name: String) throws -> String {
    let top = (0..<4).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
    return try String(contentsOf: top.appendingPathComponent("deploy/\(name)"), encoding: .utf8)
}
