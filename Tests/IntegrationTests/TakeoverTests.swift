import Foundation
import Synchronization
import Testing

extension Integration {
    /// `weir run --takeover`: one process in another's place, under load.
    @Suite(.serialized) struct TakeoverTests {
        @Test(
            "Taken over five times under load, no connection is refused or reset and no call lost",
            .timeLimit(.minutes(10))
        )
        func underLoad() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let listen = Address.loopback(try Listener.freePort())
            let admin = Address.loopback(try Listener.freePort())
            func start(_ more: String...) throws -> WeirProcess {
                let options = ["--upstream", provider.address.description, "--listen", listen.description]
                return try WeirProcess(options + ["--admin", admin.description, "--set", "drain.grace=300ms"] + more)
            }
            var weir = try start("--workers", "2")
            let load = ShortConnections(to: listen, threads: 4)
            load.start()
            for number in 1...5 {
                let successor = try start("--takeover", "--workers", "\(number % 3 + 1)")
                #expect(try weir.process.wait() == .exited(0), "\(weir.process.errorText)")
                #expect(weir.process.errorText.contains("another process has taken over"))
                weir = successor
                try eventually("the successor serves both") { try weir.metrics().sum("weir_calls_total") > 20 }
            }
            let counts = load.stop()
            #expect(counts.failures == [] && counts.calls > 500, "\(counts)")
            #expect(try weir.stop() == .exited(0))
        }

        @Test("A process that listens elsewhere on the same port is left alone")
        func elsewhere() throws {
            let port = try Listener.freePort()
            let weir = try WeirProcess(["--listen", "127.0.0.1:\(port)"])
            let run = try ChildProcess.run(
                [WeirBinary.path, "run", "--listen", "127.0.0.2:\(port)", "--admin", "127.0.0.1:0", "--takeover"]
            )
            #expect(run.end == .exited(69) && run.errorText.contains("does not listen on"), "\(run.errorText)")
            #expect(try weir.get("/readyz").status == 200)
        }

        @Test("Without a process to take over from it starts as usual; with a port of the system's choice it cannot")
        func alone() throws {
            let listen = Address.loopback(try Listener.freePort())
            let weir = try WeirProcess(["--listen", listen.description, "--takeover"])
            #expect(weir.process.errorText.contains("no process to take over from"))
            let run = try ChildProcess.run([WeirBinary.path, "run", "--listen", "127.0.0.1:0", "--takeover"])
            #expect(run.end == .exited(64) && run.errorText.contains("--takeover"), "\(run.errorText)")
        }

        /// Connections that each make three calls.
        private final class ShortConnections: Sendable {
            struct Counts {
                var calls = 0
                var failures: [String] = []
            }

            private let counts = Mutex(Counts())
            private let isOver = Atomic(false)
            private let group = DispatchGroup()
            private let address: Address
            private let threads: Int

            init(to address: Address, threads: Int) {
                self.address = address
                self.threads = threads
            }

            func start() {
                for number in 0..<threads {
                    DispatchQueue.global().async(group: group) { [self] in
                        var id = UInt64(number) << 32
                        // The last stays connected until it is told to go elsewhere, as Dubbo's consumers do.
                        let calls = number == threads - 1 ? Int.max : 3
                        while !isOver.load(ordering: .relaxed) { connect(&id, calls) }
                    }
                }
            }

            private func connect(_ id: inout UInt64, _ calls: Int) {
                do {
                    let connection = try Connection(to: address)
                    for _ in 0..<calls where !isOver.load(ordering: .relaxed) {
                        id += 1
                        let isTold = try call(id, connection)
                        counts.withLock { $0.calls += 1 }
                        if isTold { return }
                    }
                } catch {
                    counts.withLock { $0.failures.append("\(error)") }
                }
            }

            /// A call during which the provider may say that it is leaving: whether it did.
            private func call(_ id: UInt64, _ connection: Connection) throws -> Bool {
                try connection.write(DubboBytes.request(id))
                var isTold = false
                while true {
                    let frame = try connection.readFrame()
                    if frame[2] & 0x20 != 0 {
                        isTold = true
                        continue
                    }
                    guard DubboBytes.id(frame) == id, frame[3] == 20 else { throw Failure("answered \(frame[3])") }
                    return isTold
                }
            }

            func stop() -> Counts {
                isOver.store(true, ordering: .relaxed)
                group.wait()
                return counts.withLock { $0 }
            }
        }
    }
}
