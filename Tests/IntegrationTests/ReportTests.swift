import Foundation
import Testing

extension Integration {
    /// `weir report`.
    @Suite(.timeLimit(.minutes(10))) struct ReportTests {
        /// The archive's files by name, as tar unpacks them.
        private static func files(_ archive: String, _ folder: TemporaryFolder) throws -> [String: String] {
            let tar = try ChildProcess.run(["tar", "-xzf", archive, "-C", folder.path, "--strip-components=1"])
            #expect(tar.end == .exited(0), "\(tar.errorText)")
            var files: [String: String] = [:]
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name.contains(".") {
                files[name] = try String(contentsOfFile: folder.path + "/" + name, encoding: .utf8)
            }
            return files
        }

        @Test("everything that is asked for is in it, and no secret")
        func whole() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let folder = try TemporaryFolder()
            let limits = "limits: [{name: tenants, match: {attachment: {token: hunter22}}, limit: 3, window: 1s}]\n"
            _ = try folder.file("limits.yaml", text: limits)
            let settings = """
                limits: [limits.yaml]
                admin: {token: hunter22}
                tracing: {endpoint: "http://127.0.0.1:9", headers: ["authorization=hunter22"]}

                """
            let config = try folder.file("weir.yaml", text: settings)
            let weir = try WeirProcess(upstream: provider.address, "--config", config)
            let connection = try Connection(to: weir.address)
            try connection.call(1)
            try eventually("the call is counted") { try weir.get("/v1/operations").text.contains("demo.Greeter") }
            let out = try TemporaryFolder()
            let archive = folder.path + "/report.tar.gz"
            let arguments = ["--config", config, "--admin", weir.admin.description, "--output", archive]
            let run = try ChildProcess.run([WeirBinary.path, "report"] + arguments)
            #expect(run.end == .exited(0) && run.outputText == archive + "\n", "\(run.errorText)")
            let files = try Self.files(archive, out)
            for (name, part) in [
                ("config.yaml", "limits.yaml"), ("metrics.txt", "weir_calls_total{"),
                ("operations.json", "demo.Greeter"),
                ("connections.json", "\(try connection.local)"), ("limits.json", "tenants"), ("drains.json", "drains"),
                ("healthz.txt", "ok"), ("readyz.txt", "ready"), ("about.txt", "weir report: "),
                ("system.txt", "/proc/version"),
            ] {
                #expect(files[name]?.contains(part) == true, "\(name): \(files[name] ?? "missing")")
            }
            #expect(files["config.yaml"]?.contains("***") == true && files["limits.json"]?.contains("***") == true)
            for (name, text) in files { #expect(!text.contains("hunter22"), "\(name)") }
            // It is never written over another file.
            #expect(try ChildProcess.run([WeirBinary.path, "report"] + arguments).end == .exited(74))
        }

        @Test("without a Weir there are facts of the machine, and exit code 69")
        func alone() throws {
            let folder = try TemporaryFolder()
            let archive = folder.path + "/report.tar.gz"
            let address = Address.loopback(try Listener.freePort())
            let run = try WeirBinary.run("report", "--admin", address.description, "--output", archive)
            #expect(run.end == .exited(69) && run.errorText.contains("lacks what only Weir knows"), "\(run.errorText)")
            let files = try Self.files(archive, try TemporaryFolder())
            #expect(files["about.txt"] != nil && files["missing.txt"]?.contains("config.yaml: \(address)") == true)
            #expect(try WeirBinary.run("report", "--output", "/nonexistent/x").end == .exited(74))
        }
    }
}
