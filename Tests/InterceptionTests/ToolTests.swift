import Glibc
import Interception
import Testing

/// The firewall's programs are played by shell scripts: no test changes this machine's firewall.
@Suite struct ToolTests {
    private func withScript<Result>(_ body: String, _ use: (String) throws -> Result) throws -> Result {
        var template = Array("/tmp/weir-settings-XXXXXX".utf8CString)
        let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        let path = directory + "/nft"
        defer {
            unlink(path)
            rmdir(directory)
        }
        let text = "#!/bin/sh\n" + body
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o700)
        #expect(write(descriptor, text, text.utf8.count) == text.utf8.count)
        close(descriptor)
        // Another thread that forks just now may still hold the file open for writing (ETXTBSY).
        return try use(path)
    }

    private func run(_ path: String, _ input: String, timeout: Duration = .seconds(10)) throws -> ToolOutcome {
        var outcome: ToolOutcome?
        for _ in 0..<50 where outcome == nil {
            let found = failure { outcome = try Tool(path, timeout: timeout).run(["-f", "-"], input: input) }
            guard let found else { break }
            guard found.description.contains("Text file busy") else { throw found }
            usleep(10_000)
        }
        return try #require(outcome)
    }

    /// Why it fails; `nil` when it does not.
    private func failure(_ body: () throws -> Void) -> InterceptFailure? {
        do {
            try body()
            return nil
        } catch {
            return error as? InterceptFailure
        }
    }

    /// Why a script's end is a failure.
    private func explanation(_ body: String) throws -> InterceptFailure? {
        try withScript(body) { path in
            // Once it can be started at all.
            _ = try run(path, "x")
            return failure { _ = try Tool(path).demand(["-f", "-"], input: "x") }
        }
    }

    @Test("the input arrives whole, as do the arguments and a clean environment; both streams are kept") func input()
        throws
    {
        let rules = String(repeating: "tcp dport 1 ü\n", count: 800)
        let outcome = try withScript("echo \"$*|$LC_ALL\" >&2; echo seen; cat /dev/stdin >&2") { try run($0, rules) }
        #expect(outcome.exitStatus == 0)
        #expect(outcome.errorText == "-f -|C\n" + rules)
        #expect(outcome.output == "seen\n")
    }

    @Test("a failure is explained in one line") func failure() throws {
        let syntax = try explanation("echo 'Error: syntax error' >&2; echo '    ^^^' >&2; exit 1")
        #expect(syntax?.description == "nft failed with status 1: Error: syntax error")
        #expect(syntax?.kind == .failed)
        let denied = try explanation("echo 'Operation not permitted (you must be root)' >&2; exit 1")
        #expect(denied?.description == "nft may not change the firewall: root or CAP_NET_ADMIN is needed")
        #expect(denied?.kind == .denied)
        #expect(try explanation("exit 3")?.description == "nft failed with status 3: no reason given")
        #expect(try withScript("kill -9 $$") { try run($0, "x") }.exitStatus == 137)
    }

    @Test("a program that is missing or may not be run is explained") func missing() {
        let missing = failure { _ = try Tool("weir-no-such-nft").run([]) }
        #expect(missing?.kind == .missing)
        #expect(
            missing?.description == "weir-no-such-nft was not found: install it, or apply the printed rules yourself"
        )
        let directory = failure { _ = try Tool("/tmp").run([]) }
        #expect(directory?.description == "/tmp may not be run: Permission denied")
    }

    @Test("a program that does not read is no trouble, one that does not end is killed") func misbehaving() throws {
        let deaf = try withScript("exec <&-; exit 0") { try run($0, String(repeating: "x", count: 16 << 10)) }
        #expect(deaf.exitStatus == 0)
        let start = ContinuousClock.now
        let endless = failure {
            try withScript("exec sleep 600") { _ = try run($0, "x", timeout: .milliseconds(300)) }
        }
        #expect(endless?.description == "nft did not end within 0.3 seconds and was killed")
        #expect(ContinuousClock.now - start < .seconds(300))
    }

    @Test("what is too long is not kept and not sent") func bounds() throws {
        let loud = try withScript("head -c 300000 /dev/zero | tr '\\0' x >&2; head -c 3000000 /dev/zero") {
            try run($0, "x")
        }
        #expect(loud.exitStatus == 0)
        #expect(loud.errorText.utf8.count == 16 << 10)
        #expect(loud.output.utf8.count == 1 << 20)
        let long = failure {
            _ = try Tool("nft").run([], input: String(repeating: "x", count: (48 << 10) + 1))
        }
        #expect(long?.description == "the rules are longer than 48 KiB")
    }
}
