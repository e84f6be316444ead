import Testing

extension Integration {
    /// What the log says, and that nobody waits for it.
    @Suite struct LogTests {
        @Test("a log that nobody takes stops nothing; dropped lines and failed reloads are counted")
        func stuck() throws {
            let folder = try TemporaryFolder()
            let file = try folder.file("weir.yaml", text: "log: {level: notice}\n")
            // Takes the first lines, by which the addresses are known, and no more.
            let weir = try WeirProcess(
                ["--config", file, "--upstream", "127.0.0.1:1"],
                prefix: ["bash", "-c", #"exec "$@" 2> >(sed -u 3q >&2; exec sleep 20)"#, "bash"]
            )
            let mistakes = (0..<200).map { "no-such-key-\($0)-\(String(repeating: "x", count: 100)): 1\n" }
            _ = try folder.file("weir.yaml", text: mistakes.joined())
            // More than the pipe and what waits before it hold.
            for _ in 0..<40 { #expect(try weir.ask("POST", "/v1/reload").status == 400) }
            let metrics = try weir.metrics("dropped lines") { $0.sum("weir_log_lines_dropped_total") > 0 }
            #expect(metrics.sum("weir_reloads_total", ["result": "failed"]) >= 40)
            #expect(metrics.sum("weir_reloads_total", ["result": "ok"]) == 0)
            #expect(try weir.stop() == .exited(0))
        }

        @Test("the first line says which Weir this is; the level can be changed, and errors name their destination")
        func lines() throws {
            let weir = try WeirProcess(["--upstream", "127.0.0.1:1"])
            let start = try #require(weir.process.errorLines.first)
            for part in ["notice starting", "version=0.", "configuration=", "workers=", "pid=\(weir.process.pid)"] {
                #expect(start.contains(part), "\(start)")
            }
            #expect(try weir.get("/v1/log-level").text == "{\"level\":\"info\"}\n")
            #expect(try weir.ask("POST", "/v1/log-level", "level=loud").status == 400)
            #expect(try weir.ask("POST", "/v1/log-level", "level=notice").text == "{\"level\":\"notice\"}\n")
            let connection = try Connection(to: weir.address)
            _ = try? connection.readToEnd()
            let line = try eventually("the refusal is logged") {
                weir.process.errorLines.first { $0.contains("connection refused") }
            }
            #expect(
                line.contains("destination=127.0.0.1:1") && line.contains("error=\"Connection refused\""),
                "\(line)"
            )
            #expect(weir.process.errorText.contains("log level changed cause=\"the admin API\" from=info to=notice"))
        }

        @Test("scripts for shells", arguments: ["bash", "zsh", "fish"])
        func completion(shell: String) throws {
            let script = try WeirBinary.run("completion", shell)
            #expect(script.end == .exited(0) && script.outputText.contains("intercept"))
            #expect(try WeirBinary.run("completion", "csh").end == .exited(64))
        }
    }
}
