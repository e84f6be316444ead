import Foundation
import Testing

extension Integration {
    /// What a service manager is told and asks for; here it is the test.
    @Suite struct SuccessionTests {
        /// The socket of `NOTIFY_SOCKET`.
        private final class Manager {
            let path: String
            private let folder: TemporaryFolder
            private let descriptor: Int32

            init() throws {
                folder = try TemporaryFolder()
                path = folder.path + "/notify"
                descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
                var address = sockaddr_un()
                address.sun_family = sa_family_t(AF_UNIX)
                withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
                let result = withUnsafePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                    }
                }
                guard result == 0 else { throw Failure(call: "bind", errno) }
                var patience = timeval(tv_sec: 120, tv_usec: 0)
                setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
            }

            deinit { close(descriptor) }

            /// The next message.
            func next() -> String {
                var bytes = [UInt8](repeating: 0, count: 1024)
                let count = recv(descriptor, &bytes, bytes.count, 0)
                return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
            }
        }

        @Test("Upon SIGUSR2 the program is started again and takes over, and the manager hears whom to watch")
        func reload() throws {
            let manager = try Manager()
            let provider = try EchoProvider()
            defer { provider.stop() }
            let listen = "127.0.0.1:\(try Listener.freePort())"
            let admin = Address("127.0.0.1", try Listener.freePort())
            let weir = try WeirProcess(
                ["--listen", listen, "--admin", admin.description, "--upstream", provider.address.description],
                prefix: ["env", "NOTIFY_SOCKET=\(manager.path)"]
            )
            #expect(manager.next() == "READY=1\nMAINPID=\(weir.process.pid)")
            weir.process.send(SIGUSR2)
            let second = manager.next()
            let successor = try #require(pid_t(second.replacing("READY=1\nMAINPID=", with: "")), "\(second)")
            defer { kill(successor, SIGTERM) }
            #expect(successor != weir.process.pid)
            // It had no connection, so that it ends at once, and says nothing of an end.
            #expect(try weir.process.wait() == .exited(0), "\(weir.process.errorText)")
            #expect(weir.process.errorText.contains("a successor starts pid=\(successor)"))
            #expect(try HTTPAnswer.get("/readyz", from: admin).status == 200)
            kill(successor, SIGTERM)
            #expect(manager.next() == "STOPPING=1")
            try eventually("the successor is gone") { kill(successor, 0) != 0 }
        }

        @Test("A successor that cannot start is told of, and the process goes on")
        func failure() throws {
            let folder = try TemporaryFolder()
            let file = try folder.file("weir.yaml", text: "log: {level: info}\n")
            let weir = try WeirProcess(["--config", file, "--upstream", "127.0.0.1:1"])
            _ = try folder.file("weir.yaml", text: "no-such-key: 1\n")
            weir.process.send(SIGUSR2)
            try eventually("its end is told") { weir.process.errorText.contains("the successor has ended") }
            #expect(try weir.get("/readyz").status == 200)
            #expect(try weir.stop() == .exited(0))
        }
    }
}
