import Foundation
import Testing

extension Integration {
    /// Exit codes and what is said with them.
    @Suite struct CommandTests {
        /// A command that cannot be carried out.
        struct Wrong: CustomTestStringConvertible, Sendable {
            let arguments: [String]
            let code: Int32
            /// What the first line of standard error must name.
            let names: String
            var testDescription: String { arguments.joined(separator: " ") }
        }

        static let wrong = [
            Wrong(arguments: ["run", "--upstraem", "127.0.0.1:1"], code: 64, names: "--upstraem"),
            Wrong(arguments: ["run", "--upstream"], code: 64, names: "--upstream"),
            Wrong(arguments: ["run", "--upstream", "nowhere"], code: 64, names: "--upstream"),
            Wrong(arguments: ["run", "--workers", "many"], code: 64, names: "--workers"),
            Wrong(arguments: ["run", "--set", "relay.wrokers=1"], code: 64, names: "relay.wrokers"),
            Wrong(arguments: ["run", "--set", "relay.workers"], code: 64, names: "--set"),
            Wrong(arguments: ["run", "--set", "relay.workers=-1"], code: 64, names: "relay.workers"),
            Wrong(arguments: ["run", "--config", "/nonexistent/weir.yaml"], code: 66, names: "/nonexistent/weir.yaml"),
            Wrong(arguments: ["check", "/nonexistent/weir.yaml"], code: 66, names: "/nonexistent/weir.yaml"),
            Wrong(arguments: ["read", "/nonexistent/a.pcap"], code: 66, names: "/nonexistent/a.pcap"),
            Wrong(arguments: ["read"], code: 64, names: "files"),
            Wrong(arguments: ["read", "--output", "poem", "a.pcap"], code: 64, names: "poem"),
            Wrong(arguments: ["read", "--call-timeout", "0", "a.pcap"], code: 64, names: "--call-timeout"),
            Wrong(arguments: ["intercept", "print", "--ports", "99999"], code: 64, names: "99999"),
            Wrong(arguments: ["intercept", "print"], code: 64, names: "port"),
            Wrong(arguments: ["demo", "--rate", "0"], code: 64, names: "--rate"),
            Wrong(arguments: ["poem"], code: 64, names: "poem"),
        ]

        @Test("A wrong command says in its first line what is wrong", .timeLimit(.minutes(10)), arguments: wrong)
        func wrongUsage(_ wrong: Wrong) throws {
            let run = try ChildProcess.run([WeirBinary.path] + wrong.arguments)
            #expect(run.end == .exited(wrong.code))
            #expect(run.output.isEmpty)
            let first = try #require(run.errorLines.first)
            #expect(first.contains(wrong.names), "\(run.errorText)")
            // What follows can only be how the command is used.
            let others = run.errorLines.dropFirst().filter { line in
                !["Usage:", "Help:", " "].contains { line.hasPrefix($0) }
            }
            #expect(others == [])
        }

        @Test("Every problem of a file is printed with its line")
        func problems() throws {
            let folder = try TemporaryFolder()
            let file = try folder.file(
                "weir.yaml",
                text: """
                    provider:
                      listen: here
                      upstrem: 127.0.0.1:20880
                    relay:
                      workers: -1
                    unknown: 1

                    """
            )
            for arguments in [["check", file], ["run", "--config", file]] {
                let run = try ChildProcess.run([WeirBinary.path] + arguments)
                #expect(run.end == .exited(64))
                for line in [2, 3, 5, 6] {
                    #expect(run.errorLines.count { $0.contains("weir.yaml:\(line):") } == 1, "\(run.errorText)")
                }
                #expect(run.errorLines.count == 4)
            }
            let broken = try folder.file("broken.yaml", text: "provider: [\n")
            let run = try WeirBinary.run("check", broken)
            #expect(run.end == .exited(64))
            #expect(run.errorLines.allSatisfy { $0.contains("broken.yaml:") })
            #expect(run.errorText.contains("broken.yaml:2:"))
        }

        @Test("A right file is right, and can be shown and read again")
        func rightFile() throws {
            let folder = try TemporaryFolder()
            let file = try folder.file("weir.yaml", text: "provider:\n  upstream: 127.0.0.1:20880\n")
            let check = try WeirBinary.run("check", file)
            #expect(check.end == .exited(0))
            #expect(check.errorText.isEmpty)
            let shown = try WeirBinary.run("check", "--show", file)
            let again = try WeirBinary.run("check", "--show", folder.file("all.yaml", shown.output))
            #expect(again.end == .exited(0))
            #expect(again.output == shown.output)
        }

        @Test("A port in use is one line and 69, and whoever has it goes on serving", .timeLimit(.minutes(10)))
        func portInUse() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let first = try WeirProcess(upstream: provider.address)
            let upstream = ["run", "--upstream", provider.address.description]
            let relay = ["--listen", first.address.description, "--admin", "127.0.0.1:0"]
            let admin = ["--listen", "127.0.0.1:0", "--admin", first.admin.description]
            for (arguments, taken) in [(relay, first.address), (admin, first.admin)] {
                let second = try ChildProcess.run([WeirBinary.path] + upstream + arguments + ["--log-level", "error"])
                #expect(second.end == .exited(69))
                #expect(second.errorLines.count == 1, "\(second.errorText)")
                #expect(second.errorText.contains("\(taken.port)"))
            }
            let demo = try WeirBinary.run("demo", "--admin", first.admin.description)
            #expect(demo.end == .exited(69))
            #expect(demo.errorLines.count == 1, "\(demo.errorText)")
            try Connection(to: first.address).call(1)
            #expect(try first.get("/healthz").status == 200)
        }

        @Test("Connections that come while a second process is refused are all served", .timeLimit(.minutes(10)))
        func servesThroughout() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let first = try WeirProcess(upstream: provider.address, "--workers", "2")
            let arguments = [
                WeirBinary.path, "run", "--upstream", provider.address.description, "--listen",
                first.address.description,
                "--admin", "127.0.0.1:0",
            ]
            for _ in 0..<3 {
                let second = try ChildProcess(arguments)
                var calls: UInt64 = 0
                while second.isRunning() || calls < 20 {
                    calls += 1
                    try Connection(to: first.address).call(calls)
                }
                #expect(second.end == .exited(69))
            }
        }

        @Test("version and help are asked for, so they are no error")
        func help() throws {
            let version = try WeirBinary.run("--version")
            #expect(version.end == .exited(0))
            #expect(version.outputText.split(separator: "\n").count == 1)
            for command in [["--help"], ["run", "--help"], ["read", "--help"], ["intercept", "install", "--help"]] {
                let help = try ChildProcess.run([WeirBinary.path] + command)
                #expect(help.end == .exited(0))
                #expect(help.outputText.contains("USAGE: weir"))
            }
        }

        @Test("The demo ends by itself and names the pages to open", .timeLimit(.minutes(10)))
        func demo() throws {
            let demo = try WeirBinary.run("demo", "--seconds", "1.5", "--rate", "200", "--admin", "127.0.0.1:0")
            #expect(demo.end == .exited(0))
            #expect(demo.errorText.isEmpty)
            for path in ["/metrics", "/v1/operations", "/v1/connections"] { #expect(demo.outputText.contains(path)) }
            for name in ["dubbo", "triple", "jsonrpc"] {
                let line = demo.outputText.split(separator: "\n").first { $0.contains("\(name): ") } ?? ""
                let numbers = line.split { !$0.isNumber }.compactMap { Int($0) }
                #expect(numbers.count == 2 && numbers.first == numbers.last && numbers.first != 0, "\(line)")
            }
        }
    }
}
