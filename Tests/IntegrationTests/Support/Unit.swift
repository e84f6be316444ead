import Foundation
import Testing

/// The service of deploy/weir.service in a network namespace; its commands are run as systemd does.
final class Unit {
    private let entries: [(key: String, value: String)]
    private let scene: RedirectScene
    private let namespace: String
    private let manager: NotifySocket
    /// Where the configuration is.
    let configuration: String
    /// What was started as ExecStart.
    private(set) var main: ChildProcess?
    /// The process that is watched.
    private(set) var mainPID: pid_t = 0
    /// The others of its control group.
    private var others: Set<pid_t> = []

    init(_ scene: RedirectScene, namespace: String) throws {
        self.scene = scene
        self.namespace = namespace
        manager = try NotifySocket()
        configuration = scene.folder.path + "/weir.yaml"
        let lines = try deployFile("weir.service").split(separator: "\n").filter { !$0.hasPrefix("#") }
        entries = lines.compactMap { line in
            let parts = line.split(separator: "=", maxSplits: 1)
            return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
        }
    }

    deinit {
        for process in others.union([mainPID]) where process > 0 { kill(process, SIGKILL) }
    }

    func values(_ key: String) -> [String] { entries.filter { $0.key == key }.map(\.value) }

    // MARK: What only a machine with the unit has

    /// A word of a command as it is here.
    private func word(_ text: String) -> String {
        switch text {
        case "/usr/local/bin/weir": scene.binary
        case "/etc/weir/weir.yaml": configuration
        case "$MAINPID": "\(mainPID)"
        default: text
        }
    }

    /// The user weir is nobody here.
    private func user(_ name: String) -> String { name == "weir" ? "65534" : name }

    // MARK: Commands

    /// A command line of the unit, and what its prefix says: `-` that it may fail, `+` that nothing confines it.
    private func command(_ line: String) throws -> (words: [String], mayFail: Bool) {
        let signs = line.prefix { "-+".contains($0) }
        let isPrivileged = signs.contains("+")
        let confinement = Confinement(
            namespace: namespace,
            user: isPrivileged ? "0" : user(try #require(values("User").first)),
            group: isPrivileged ? "0" : "65534",
            isReadOnly: !isPrivileged && values("ProtectSystem") == ["strict"],
            mayGain: isPrivileged || values("NoNewPrivileges") != ["yes"],
            environment: [("NOTIFY_SOCKET", manager.path)]
        )
        let words = line.dropFirst(signs.count).split(separator: " ").map { word(String($0)) }
        return (confinement.command(words), signs.contains("-"))
    }

    /// Runs the lines of a key in their order; ends at the first that fails and must not.
    ///
    /// - Returns: Whether all went well.
    @discardableResult
    func run(_ key: String) throws -> Bool {
        for line in values(key) {
            let (words, mayFail) = try command(line)
            let run = try ChildProcess.run(words)
            guard run.end == .exited(0) || mayFail else { return false }
            // One that may fail is to go well here all the same.
            #expect(run.end == .exited(0) || !mayFail, "\(line): \(run.outputText) \(run.errorText)")
        }
        return true
    }

    /// `systemctl start`.
    func start() throws {
        let process = try begin()
        mainPID = try manager.ready()
        #expect(mainPID == process.pid)
        #expect(try run("ExecStartPost"))
    }

    /// Runs ExecStart, whatever becomes of it.
    func begin() throws -> ChildProcess {
        let lines = values("ExecStart")
        #expect(lines.count == 1 && values("Type") == ["notify"] && values("NotifyAccess") == ["all"])
        let process = try ChildProcess(command(lines[0]).words)
        main = process
        return process
    }

    /// `systemctl reload` that goes well: the successor is the main process then.
    func reload() throws {
        #expect(try run("ExecReload"))
        let successor = try manager.ready()
        #expect(successor != mainPID)
        others.insert(mainPID)
        mainPID = successor
    }

    /// `systemctl stop`: the commands; then SIGTERM for each process of the control group, and the last command.
    func stop() throws {
        #expect(try run("ExecStop"))
        let group = others.union([mainPID])
        for process in group { kill(process, SIGTERM) }
        #expect(manager.next() == "STOPPING=1")
        if let main { #expect(try main.wait() == .exited(0), "\(main.errorText)") }
        try eventually("the control group is empty") { group.allSatisfy { kill($0, 0) != 0 } }
        (mainPID, others) = (0, [])
        #expect(try run("ExecStopPost"))
    }

    /// Whether the manager was told anything more.
    var isTold: Bool { manager.hasMore }
}
