import Foundation
import Testing

extension Integration {
    /// `weir tap` beside a `weir run` with calls in it.
    @Suite(.timeLimit(.minutes(10))) struct TapTests {
        /// A proxy in front of a provider, and a connection through it.
        private final class Traffic {
            let provider: EchoProvider
            let weir: WeirProcess
            let connection: Connection
            private var last: UInt64 = 0

            init() throws {
                provider = try EchoProvider()
                weir = try WeirProcess(upstream: provider.address)
                connection = try Connection(to: weir.address)
            }

            deinit { provider.stop() }

            var admin: String { weir.admin.description }

            func call(_ method: String = "hello") throws {
                last += 1
                try connection.call(last, method: method)
            }

            /// Makes calls until the condition holds: who begins to watch sees those that come then.
            func calls(_ method: String = "hello", until condition: () throws -> Bool) throws {
                try eventually("enough calls") {
                    try call("other")
                    try call(method)
                    return try condition()
                }
            }
        }

        /// A pseudo-terminal; what is written to it is read from it.
        private final class Terminal {
            let descriptor: Int32
            let other: Int32
            private var bytes: [UInt8] = []

            init() throws {
                // What posix_openpt, unlockpt and ptsname do, which the module map does not show.
                let (setLock, getNumber): (UInt, UInt) = (0x4004_5431, 0x8004_5430)
                descriptor = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
                var (lock, number): (Int32, Int32) = (0, 0)
                guard descriptor >= 0, ioctl(descriptor, setLock, &lock) == 0,
                    ioctl(descriptor, getNumber, &number) == 0
                else { throw Failure(call: "/dev/ptmx") }
                other = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
                guard other >= 0 else { throw Failure(call: "/dev/pts/\(number)") }
                _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            }

            deinit {
                close(descriptor)
                close(other)
            }

            /// The whole lines so far.
            func lines() -> [String] {
                var piece = [UInt8](repeating: 0, count: 65_536)
                while true {
                    let count = read(descriptor, &piece, piece.count)
                    guard count > 0 else { break }
                    bytes += piece[..<count]
                }
                let whole = bytes.lastIndex(of: 0x0a).map { bytes[...$0] } ?? []
                return String(decoding: whole, as: UTF8.self).components(separatedBy: "\r\n").dropLast()
            }
        }

        private static func objects(_ text: String) throws -> [[String: Any]] {
            try text.split(separator: "\n").map { line in
                try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            }
        }

        @Test("It prints exactly the calls asked for as JSON lines, and ends after so many")
        func json() throws {
            let traffic = try Traffic()
            let tap = try ChildProcess([
                WeirBinary.path, "tap", "--admin", traffic.admin, "--method", "he*o", "--interface", "demo.Greeter",
                "--outcome", "ok,oneway", "--side", "provider", "--protocol", "dubbo", "--min-ms", "0.001", "--code",
                "OK", "--caller", "", "--limit", "20",
            ])
            try traffic.calls { !tap.isRunning() }
            #expect(tap.end == .exited(0))
            #expect(tap.errorText.isEmpty)
            let lines = try Self.objects(tap.outputText)
            #expect(lines.count == 20)
            let ids = lines.compactMap { ($0["id"] as? String).flatMap { Int($0) } }
            // Every second call is one of the other method.
            #expect(ids == (0..<20).map { (ids.first ?? 0) + 2 * $0 })
            for line in lines {
                #expect(line["client"] as? String == (try traffic.connection.local.description))
                #expect(line["server"] as? String == traffic.provider.address.description)
                #expect(line["request_bytes"] as? Int == DubboBytes.request(1).count)
                #expect(line["method"] as? String == "hello" && line.count == 20)
                let time = try #require((line["ts"] as? String).flatMap { Double($0) })
                #expect(abs(time - Date().timeIntervalSince1970) < 600)
            }
        }

        @Test("On a terminal it prints a line a call, and Ctrl-C ends it", arguments: [true, false])
        func terminal(_ hasColours: Bool) throws {
            let traffic = try Traffic()
            let terminal = try Terminal()
            let tap = try ChildProcess(
                [WeirBinary.path, "tap", "--admin", traffic.admin, "--method", "he*"],
                output: .descriptor(terminal.other),
                environment: ["TZ": "UTC", "TERM": "xterm", "NO_COLOR": hasColours ? "" : "1"]
            )
            try traffic.calls("he\u{1b}[2J\u{7f}o") { terminal.lines().count >= 3 }
            tap.send(SIGINT)
            #expect(try tap.wait() == .exited(0))
            #expect(tap.errorText.isEmpty)
            let client = try traffic.connection.local.description
            for line in terminal.lines() {
                #expect(line.contains("provider  demo.Greeter.he?[2J?o "), "\(line)")
                #expect(line.hasSuffix(client) && line.contains(" → "))
                #expect(line.contains("\u{1b}[32mok ") == hasColours)
                #expect(line.contains("\u{1b}") == hasColours)
                let plain = line.replacing("\u{1b}[2m", with: "")
                #expect(plain.prefix(12).split { $0 == ":" || $0 == "." }.map(\.count) == [2, 2, 2, 3])
            }
        }

        @Test("It says so when Weir stops, and whether that was in order")
        func ends() throws {
            for signal in [SIGTERM, SIGKILL] {
                let traffic = try Traffic()
                let tap = try ChildProcess([WeirBinary.path, "tap", "--admin", traffic.admin])
                try traffic.calls { !tap.output.isEmpty }
                traffic.connection.close()
                traffic.weir.process.send(signal)
                try traffic.weir.process.wait()
                #expect(try tap.wait() == .exited(signal == SIGTERM ? 0 : 69))
                #expect(tap.errorLines.count == 1 && tap.errorText.contains(traffic.admin), "\(tap.errorText)")
                #expect(tap.errorText.contains(signal == SIGTERM ? "has stopped" : "connection was lost"))
                #expect(try !Self.objects(tap.outputText).isEmpty)
            }
        }

        @Test("It goes on with the calls of a Weir that takes over, and ends with a limit of all")
        func takenOver() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let family = try TakeoverFamily(provider)
            let old = try family.start()
            let tap = try ChildProcess([
                WeirBinary.path, "tap", "--admin", family.admin.description, "--method", "seen*", "--limit", "1000",
            ])
            let first = try Connection(to: family.listen)
            try eventually("the tap is there") {
                try first.call(1, method: "other")
                try first.call(2, method: "seen-first")
                return !tap.output.isEmpty
            }
            let new = try family.start("--takeover")
            try eventually("it is taken over") { old.process.errorText.contains("another process has taken over") }
            let second = try Connection(to: family.listen)
            try eventually("calls of both processes") {
                try second.call(3, method: "seen-second")
                try first.call(4, method: "seen-late")
                return tap.outputText.contains("seen-second") && tap.outputText.contains("seen-late")
            }
            for id in 0..<1000 as Range<UInt64> { try second.call(id, method: "seen-second") }
            #expect(try tap.wait() == .exited(0) && tap.errorText.isEmpty, "\(tap.errorText)")
            #expect(try Self.objects(tap.outputText).count == 1000)
            first.close()
            second.close()
            #expect(try new.stop() == .exited(0))
        }

        @Test("It ends in peace when nobody reads it any more")
        func readerGone() throws {
            let traffic = try Traffic()
            var ends: [Int32] = [0, 0]
            #expect(pipe(&ends) == 0)
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            let tap = try ChildProcess(
                [WeirBinary.path, "tap", "--admin", traffic.admin],
                output: .descriptor(ends[1])
            )
            close(ends[1])
            close(ends[0])
            try traffic.calls { !tap.isRunning() }
            #expect(tap.end == .exited(0))
            #expect(tap.errorText.isEmpty)
        }

        @Test("What cannot be watched is 69 and one line that says why")
        func unavailable() throws {
            let traffic = try Traffic()
            func fails(_ address: String, _ words: String) throws {
                let tap = try WeirBinary.run("tap", "--admin", address)
                #expect(tap.end == .exited(69), "\(words)")
                #expect(tap.output.isEmpty && tap.errorLines.count == 1)
                #expect(tap.errorText.contains(words) && tap.errorText.contains(address), "\(tap.errorText)")
            }
            try fails("127.0.0.1:\(try Listener.freePort())", "Connection refused")
            let closed = "127.0.0.1:\(try Listener.freePort())"
            #expect(try WeirBinary.run("tap", "--admin", closed, "--code", "-32601").end == .exited(69))
            try fails("no.such.host.invalid:80", "cannot reach the admin API")
            // The relay's own port: it closes what it cannot connect, or never answers in HTTP.
            let listener = try Listener()
            let speaker = Thread {
                guard let connection = try? listener.accept() else { return }
                _ = try? connection.read(1)
                try? connection.write(Array("SSH-2.0-x\r\n".utf8))
            }
            speaker.start()
            try fails(listener.address.description, "does not speak HTTP")
            let scrape = try WeirProcess(["--upstream", "127.0.0.1:1", "--set", "inspection.enabled=false"])
            try fails(scrape.admin.description, "inspection is switched off")
            let viewers = try (0..<8).map { _ in
                let viewer = try Connection(to: traffic.weir.admin)
                try viewer.write(Array("GET /v1/calls HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
                #expect(String(decoding: try viewer.read(12), as: UTF8.self) == "HTTP/1.1 200")
                return viewer
            }
            try fails(traffic.admin, "8 viewers")
            viewers[3].close()
            try eventually("room for another viewer") {
                let next = try ChildProcess([WeirBinary.path, "tap", "--admin", traffic.admin, "--limit", "1"])
                try traffic.calls { !next.isRunning() }
                return next.end == .exited(0)
            }
            // Viewers that take nothing do not keep it from stopping.
            traffic.connection.close()
            #expect(try traffic.weir.stop() == .exited(0))
        }

        @Test("The admin API is found through the settings")
        func settings() throws {
            let traffic = try Traffic()
            let folder = try TemporaryFolder()
            let file = try folder.file("weir.yaml", text: "admin:\n  listen: \(traffic.admin)\n")
            let byFile = try ChildProcess([WeirBinary.path, "tap", "--config", file, "--limit", "2"])
            let byVariable = try ChildProcess(
                [WeirBinary.path, "tap", "--limit", "2"],
                environment: ["WEIR_ADMIN_LISTEN": traffic.admin]
            )
            try traffic.calls { !byFile.isRunning() && !byVariable.isRunning() }
            for tap in [byFile, byVariable] {
                #expect(tap.end == .exited(0), "\(tap.errorText)")
                #expect(try Self.objects(tap.outputText).count == 2)
            }
        }

        static let wrong: [[String]] = [
            ["--admin", "nowhere"], ["--admin", "127.0.0.1:0"], ["--min-ms", "long"], ["--limit", "0"],
            ["--outcome", "fine"], ["--side", "left"], ["--protocol", "dubbo2"], ["--colour", "red"],
        ]

        @Test("A wrong flag is 64 and named in the first line", arguments: wrong)
        func wrongUsage(_ arguments: [String]) throws {
            let tap = try ChildProcess.run([WeirBinary.path, "tap"] + arguments)
            #expect(tap.end == .exited(64))
            #expect(tap.output.isEmpty)
            #expect(tap.errorLines.first?.contains(arguments[0]) == true, "\(tap.errorText)")
        }

        @Test("The API refuses what it does not know, by name")
        func refusal() throws {
            let traffic = try Traffic()
            let answer = try traffic.weir.get("/v1/calls?colour=red&min_ms=-1&method=hello")
            #expect(answer.status == 400)
            #expect(answer.text.split(separator: "\n").count == 1)
            let error = try #require((try answer.json as? [String: String])?["error"])
            #expect(error.contains("colour: ") && error.contains("min_ms: ") && !error.contains("method: "))
        }
    }
}
