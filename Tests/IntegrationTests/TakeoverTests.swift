import Foundation
import Synchronization
import Testing

extension Integration {
    /// `weir run --takeover`: one process in another's place, under load.
    @Suite(.serialized) struct TakeoverTests {
        @Test(
            "Taken over five times under load, no connection is refused or reset and no call lost",
            .timeLimit(.minutes(2))
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
                        while !isOver.load(ordering: .relaxed) { connect(&id) }
                    }
                }
            }

            private func connect(_ id: inout UInt64) {
                do {
                    let connection = try Connection(to: address)
                    for _ in 0..<3 {
                        id += 1
                        try call(id, connection)
                        counts.withLock { $0.calls += 1 }
                    }
                } catch {
                    counts.withLock { $0.failures.append("\(error)") }
                }
            }

            /// A call during which the provider may say that it is leaving.
            private func call(_ id: UInt64, _ connection: Connection) throws {
                try connection.write(DubboBytes.request(id))
                while true {
                    let frame = try connection.readFrame()
                    if frame[2] & 0x20 != 0 { continue }
                    guard DubboBytes.id(frame) == id, frame[3] == 20 || frame[3] == 100 else {
                        throw Failure("answered \(frame[3])")
                    }
                    return
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
