import Foundation
import Testing

extension Integration {
    /// What a service manager is told and asks for; here it is the test.
    @Suite struct SuccessionTests {
        @Test("Upon SIGUSR2 the program is started again and takes over, and the manager hears whom to watch")
        func reload() throws {
            let manager = try NotifySocket()
            let provider = try EchoProvider()
            defer { provider.stop() }
            let listen = "127.0.0.1:\(try Listener.freePort())"
            let admin = Address("127.0.0.1", try Listener.freePort())
            let weir = try WeirProcess(
                ["--listen", listen, "--admin", admin.description, "--upstream", provider.address.description],
                prefix: ["env", "NOTIFY_SOCKET=\(manager.path)"]
            )
            #expect(try manager.ready() == weir.process.pid)
            weir.process.send(SIGUSR2)
            let successor = try manager.ready()
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
