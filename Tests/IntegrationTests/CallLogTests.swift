import Foundation
import Testing

extension Integration {
    /// `log.calls`, and what else the log says of traffic.
    @Suite(.timeLimit(.minutes(10))) struct CallLogTests {
        private static func lines(_ path: String) throws -> [[String: Any]] {
            guard let data = FileManager.default.contents(atPath: path) else { return [] }
            return try data.split(separator: UInt8(ascii: "\n")).map { line in
                try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
            }
        }

        @Test("a line for each call that was asked for, in a file that may be rotated, until the very end")
        func file() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let folder = try TemporaryFolder()
            let path = folder.path + "/calls.log"
            let weir = try WeirProcess(
                upstream: provider.address,
                "--set",
                "log.calls=\(path)",
                "--set",
                "log.calls-filter=method=h*"
            )
            let connection = try Connection(to: weir.address)
            for id in 1...50 as ClosedRange<UInt64> {
                try connection.call(id)
                try connection.call(id + 1000, method: "other")
            }
            let first = try eventually("fifty lines") {
                let lines = try Self.lines(path)
                return lines.count >= 50 ? lines : nil
            }
            guard rename(path, path + ".1") == 0 else { throw Failure(call: "rename") }
            for id in 51...100 as ClosedRange<UInt64> { try connection.call(id) }
            connection.close()
            #expect(try weir.stop() == .exited(0))
            let second = try Self.lines(path)
            #expect(first.count == 50 && second.count == 50)
            #expect((first + second).compactMap { $0["id"] as? String } == (1...100).map { "\($0)" })
            #expect(
                (first + second).allSatisfy { $0["outcome"] as? String == "ok" && $0["method"] as? String == "hello" }
            )
        }

        @Test("a share of the calls goes to standard output")
        func share() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let weir = try WeirProcess(
                upstream: provider.address,
                "--set",
                "log.calls=stdout",
                "--set",
                "log.calls-sample=0.25"
            )
            let connection = try Connection(to: weir.address)
            for id in 1...1000 as ClosedRange<UInt64> { try connection.call(id) }
            connection.close()
            #expect(try weir.stop() == .exited(0))
            let count = weir.process.outputText.split(separator: "\n").count
            // Ten standard deviations.
            #expect((113...387).contains(count), "\(count)")
        }

        @Test("a full disk and a reader that stands still cost lines, which are counted, and no call")
        func trouble() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let full = try WeirProcess(upstream: provider.address, "--set", "log.calls=/dev/full")
            let connection = try Connection(to: full.address)
            for id in 1...20 as ClosedRange<UInt64> { try connection.call(id) }
            _ = try full.metrics("twenty lines lost") { $0.sum("weir_log_lines_dropped_total") == 20 }
            #expect(
                full.process.errorText.contains("calls are not logged error=\"No space left on device\" file=/dev/full")
            )
            connection.close()
            #expect(try full.stop() == .exited(0))
            let still = try WeirProcess(
                ["--upstream", provider.address.description, "--set", "log.calls=stdout"],
                prefix: ["bash", "-c", #"exec "$@" > >(exec sleep 60)"#, "bash"]
            )
            let load = try Connection(to: still.address)
            var id: UInt64 = 0
            // More than the pipe and what waits before it hold.
            _ = try still.metrics("lines lost") { metrics in
                for _ in 0..<1000 {
                    id += 1
                    try load.call(id)
                }
                return metrics.sum("weir_log_lines_dropped_total") > 0
            }
            load.close()
            #expect(try still.stop() == .exited(0))
        }

        @Test("two processes that write into a pipe whose reader is slow tear no line")
        func pipe() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let folder = try TemporaryFolder()
            let path = folder.path + "/calls"
            guard mkfifo(path, 0o600) == 0 else { throw Failure(call: "mkfifo") }
            let reader = try ChildProcess([
                "bash", "-c",
                "exec <\(path); while read -r -N 20000 text || [[ -n $text ]]; do printf %s \"$text\"; done",
            ])
            let family = try TakeoverFamily(provider)
            let old = try family.start("--set", "log.calls=\(path)")
            let loads = [LimitTests.Load(family.listen, connections: 2)]
            for load in loads { load.start() }
            try eventually("calls") { loads[0].sofar.passed > 500 }
            let new = try family.start("--set", "log.calls=\(path)", "--takeover")
            try eventually("it is taken over") { old.process.errorText.contains("another process has taken over") }
            let further = LimitTests.Load(family.listen, connections: 2)
            further.start()
            try eventually("more calls") { further.sofar.passed > 2000 }
            #expect(further.stop().failed == 0 && loads[0].stop().failed == 0)
            #expect(try new.stop() == .exited(0))
            #expect(try old.process.wait() == .exited(0))
            _ = try reader.wait()
            let lines = reader.outputText.split(separator: "\n")
            #expect(lines.count > 100)
            for line in lines {
                let fields = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                #expect(fields?.count == 20 || fields?["dropped"] != nil, "\(line)")
            }
        }

        @Test("what cannot be a log of calls ends with one line")
        func mistakes() throws {
            let cases: [(String, Int32, String)] = [
                (
                    "log.calls=/nonexistent/calls.log", 69,
                    "log.calls: cannot append to /nonexistent/calls.log: No such file"
                ),
                ("log.calls-filter=outcome=error", 64, "log.calls-filter: means nothing without log.calls"),
                ("log.calls-sample=2", 64, "log.calls-sample: not in 0...1: 2"),
            ]
            for (setting, status, text) in cases {
                let run = try WeirBinary.run("run", "--upstream", "127.0.0.1:1", "--set", setting)
                #expect(run.end == .exited(status) && run.errorText.contains(text), "\(run.errorText)")
            }
        }

        @Test("drains, limits that are reached and bytes that cannot be decoded have lines of their own")
        func changes() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let folder = try TemporaryFolder()
            let limits = try folder.file("limits.yaml", text: "limits: [{name: few, limit: 3, window: 1h}]\n")
            let config = try folder.file("weir.yaml", text: "limits: [\(limits)]\n")
            let weir = try WeirProcess(upstream: provider.address, "--config", config)
            func line(_ text: String) throws -> String {
                try eventually("a line with \(text)") { weir.process.errorLines.first { $0.contains(text) } }
            }
            let connection = try Connection(to: weir.address)
            for id in 1...5 as ClosedRange<UInt64> {
                try connection.write(DubboBytes.request(id))
                _ = try connection.readFrame()
            }
            #expect(try line("limit reached").contains("limit=few"))
            // A header that is none, behind a frame.
            let broken = try Connection(to: weir.address)
            try broken.call(9, interface: "demo.Other")
            try broken.write([UInt8](repeating: 0x21, count: 64))
            let trouble = try line("cannot be decoded")
            let peer = try broken.local
            for part in ["peer=\(peer)", "destination=\(provider.address)", "protocol=dubbo", "reason="] {
                #expect(trouble.contains(part), "\(trouble)")
            }
            #expect(try weir.ask("POST", "/v1/drain", "interface=demo.Greeter&grace=2s&reason=test").status == 200)
            #expect(try line("drain begun").contains("grace=2s reason=test signal=auto target=demo.Greeter"))
            #expect(try weir.ask("DELETE", "/v1/drain?interface=demo.Greeter").status == 200)
            #expect(try line("drain undone").contains("target=demo.Greeter"))
        }
    }
}
