import Glibc
import Settings
import Testing

/// `nft` is played by shell scripts: no test changes this machine's firewall.
@Suite struct InterceptRunnerTests {
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

    private func run(_ path: String, _ rules: String, timeout: Duration = .seconds(10)) -> InterceptOutcome {
        for _ in 0..<50 {
            let outcome = InterceptRunner(binary: path, timeout: timeout).run(rules)
            guard outcome.explanation?.contains("Text file busy") == true else { return outcome }
            usleep(10_000)
        }
        return InterceptRunner(binary: path, timeout: timeout).run(rules)
    }

    @Test("the rules arrive whole on standard input, as do the arguments and a clean environment") func input() throws {
        let rules = String(repeating: "tcp dport 1 ü\n", count: 800)
        let outcome = try withScript("echo \"$*|$LC_ALL\" >&2; echo unseen; cat /dev/stdin >&2") { run($0, rules) }
        #expect(outcome.exitStatus == 0)
        #expect(outcome.errorText == "-f -|C\n" + rules)
        #expect(outcome.explanation == nil)
        #expect(outcome.succeeded)
    }

    @Test("a failure is explained in one line") func failure() throws {
        let syntax = try withScript("echo 'Error: syntax error' >&2; echo '    ^^^' >&2; exit 1") { run($0, "x") }
        #expect(syntax.exitStatus == 1)
        #expect(syntax.errorText == "Error: syntax error\n    ^^^\n")
        #expect(syntax.explanation == "nft failed with status 1: Error: syntax error")
        let denied = try withScript("echo 'Operation not permitted (you must be root)' >&2; exit 1") { run($0, "x") }
        #expect(denied.explanation == "nft may not change the firewall: root or CAP_NET_ADMIN is needed")
        let silent = try withScript("exit 3") { run($0, "x") }
        #expect(silent.explanation == "nft failed with status 3: no reason given")
        let killed = try withScript("kill -9 $$") { run($0, "x") }
        #expect(killed.exitStatus == 137)
        #expect(!killed.succeeded)
    }

    @Test("a program that is missing or may not be run is explained") func missing() {
        let missing = InterceptRunner(binary: "weir-no-such-nft").run("x")
        #expect(missing.exitStatus == nil)
        #expect(
            missing.explanation
                == "weir-no-such-nft was not found: install nftables, or apply the printed rules yourself"
        )
        let directory = InterceptRunner(binary: "/tmp").run("x")
        #expect(directory.explanation == "/tmp may not be run: Permission denied")
    }

    @Test("a program that does not read is no trouble, one that does not end is killed") func misbehaving() throws {
        let deaf = try withScript("exec <&-; exit 0") { run($0, String(repeating: "x", count: 16 << 10)) }
        #expect(deaf.succeeded)
        let start = ContinuousClock.now
        let endless = try withScript("exec sleep 600") { run($0, "x", timeout: .milliseconds(300)) }
        #expect(endless.exitStatus == nil)
        #expect(endless.explanation == "nft did not end within 0.3 seconds and was killed")
        #expect(ContinuousClock.now - start < .seconds(300))
    }

    @Test("what is too long is not kept and not sent") func bounds() throws {
        let loud = try withScript("head -c 300000 /dev/zero | tr '\\0' x >&2") { run($0, "x") }
        #expect(loud.succeeded)
        #expect(loud.errorText.utf8.count == 16 << 10)
        let long = InterceptRunner().run(String(repeating: "x", count: (48 << 10) + 1))
        #expect(long.explanation == "the rules are longer than 48 KiB")
    }

    @Test("nft takes every form of plan, twice, and removal, twice, in a network namespace of its own") func realNft()
        throws
    {
        let both = InterceptPlan.Provider(ports: PortSet([20880, 50051]), includesLocal: true)
        let many = try PortSet(
            parsing: (0..<PortSet.maxItems).map { "\(20000 + 3 * $0)-\(20001 + 3 * $0)" }.joined(separator: ",")
        )
        for layout in InterceptPlan.Layout.allCases {
            let plans = [
                try InterceptPlan(provider: .init(ports: PortSet([20880])), consumer: nil, user: nil, layout: layout),
                try InterceptPlan(
                    provider: both,
                    consumer: .init(ports: try PortSet(parsing: "1-5,20881"), excluded: PortSet([3])),
                    user: "0",
                    layout: layout
                ),
                try InterceptPlan(provider: both, consumer: .init(ports: nil), user: "0", layout: layout),
                try InterceptPlan(
                    provider: .init(ports: many, includesLocal: true),
                    consumer: .init(ports: many, excluded: many),
                    user: "4294967294",
                    layout: layout
                ),
            ]
            for plan in plans {
                // The namespace is new for each run and gone with it, so both transactions are in one.
                let removal = InterceptPlan.removal(layout: layout)
                let body = """
                    PATH=/usr/sbin:/sbin:$PATH
                    unshare -n true 2>/dev/null || { unshare -rn true 2>/dev/null && user=r; } || exit 77
                    command -v nft >/dev/null || exit 77
                    rules=$(cat)
                    export rules
                    exec unshare -${user}n sh -c 'printf "%s\\n" "$rules" | nft -f - && printf "%s\\n" "$rules" | nft -f - \
                        && nft list ruleset >&2 && printf "%s" "\(removal)" | nft -f - && printf "%s" "\(removal)" | nft -f - \
                        && test -z "$(nft list ruleset)"'
                    """
                let outcome = try withScript(body) { run($0, plan.rules, timeout: .seconds(60)) }
                guard outcome.exitStatus != 77 else {
                    print("left out: nft rules are not tried, no nft or no right to make a network namespace")
                    return
                }
                #expect(outcome.succeeded, "\(outcome)")
                let redirects = plan.rules.split(separator: "redirect to").count
                // Of the longest plan only the beginning is kept.
                let isWhole = outcome.errorText.utf8.count < 16 << 10
                #expect(outcome.errorText.split(separator: "redirect to").count == redirects || !isWhole)
            }
        }
    }
}
