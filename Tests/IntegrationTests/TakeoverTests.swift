import Foundation
import Synchronization
import Testing

extension Integration {
    /// `weir run --takeover`: one process in another's place, under load.
    @Suite(.serialized) struct TakeoverTests {
        @Test(
            "Taken over five times under load, no connection is refused, reset or told anything, and no call lost",
            .timeLimit(.minutes(10))
        )
        func underLoad() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let family = try Family(provider)
            var all = [try family.start("--workers", "2")]
            let load = Load(to: family.listen, threads: 4)
            try load.start()
            for number in 1...5 {
                all.append(try family.start("--takeover", "--workers", "\(number % 3 + 1)"))
                let before = all[number - 1].process
                try eventually("it is taken over") { before.errorText.contains("another process has taken over") }
                try eventually("the successor serves") { try all[number].metrics().sum("weir_calls_total") > 20 }
            }
            #expect(all[0].process.isRunning(), "a connection that goes on lives in the process that accepted it")
            let counts = load.stop()
            #expect(counts.failures == [] && counts.calls > 500, "\(counts)")
            // Each ends when its last connection has.
            for weir in all.dropLast() { #expect(try weir.process.wait() == .exited(0), "\(weir.process.errorText)") }
            #expect(try all[5].stop() == .exited(0))
        }

        @Test("One that is told to stop after it was taken over, or whose time is up, ends connections between calls")
        func ends() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            for isTold in [true, false] {
                let family = try Family(provider)
                let deadline = isTold ? [] : ["--set", "takeover.deadline=500ms"]
                let old = try WeirProcess(family.options + deadline)
                let load = Load(to: family.listen, threads: 3)
                try load.start()
                let new = try family.start("--takeover")
                try eventually("it is taken over") { old.process.errorText.contains("another process has taken over") }
                if isTold { old.process.send(SIGTERM) }
                #expect(try old.process.wait() == .exited(0), "\(old.process.errorText)")
                let counts = load.stop()
                // Who was about to call is told nothing, and finds the connection closed; no call that was made is lost.
                #expect(counts.failures.allSatisfy { $0 == Load.closed } && counts.failures.count <= 3, "\(counts)")
                #expect(try new.stop() == .exited(0))
            }
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

        /// Processes on the same addresses.
        private struct Family {
            let listen: Address
            let options: [String]

            init(_ provider: EchoProvider) throws {
                listen = Address.loopback(try Listener.freePort())
                let admin = Address.loopback(try Listener.freePort())
                options = [
                    "--upstream", provider.address.description, "--listen", listen.description, "--admin",
                    admin.description, "--set", "drain.grace=300ms",
                ]
            }

            func start(_ more: String...) throws -> WeirProcess { try WeirProcess(options + more) }
        }

        /// Connections that each make three calls, and one that makes calls as long as it can.
        private final class Load: Sendable {
            struct Counts {
                var calls = 0
                var failures: [String] = []
                /// The threads that have made calls.
                var threads: Set<Int> = []
            }

            /// The failure of a call on a connection that was found closed before a byte of an answer.
            static let closed = "closed between calls"

            private let counts = Mutex(Counts())
            private let isOver = Atomic(false)
            private let group = DispatchGroup()
            private let address: Address
            private let threads: Int

            init(to address: Address, threads: Int) {
                self.address = address
                self.threads = threads
            }

            /// Returns when each thread has made calls.
            func start() throws {
                for number in 0..<threads {
                    group.enter()
                    Thread.detachNewThread { [self] in
                        var id = UInt64(number) << 32
                        while !isOver.load(ordering: .relaxed) { connect(&id, number) }
                        group.leave()
                    }
                }
                try eventually("calls") { counts.withLock { $0.threads.count == threads && $0.calls > 100 } }
            }

            private func connect(_ id: inout UInt64, _ number: Int) {
                var rest = number == threads - 1 ? Int.max : 3
                do {
                    let connection = try Connection(to: address)
                    while rest > 0, !isOver.load(ordering: .relaxed) {
                        id += 1
                        rest -= 1
                        try call(id, connection)
                        counts.withLock { counts in
                            counts.calls += 1
                            counts.threads.insert(number)
                        }
                    }
                } catch {
                    counts.withLock { $0.failures.append("\(error)") }
                }
            }

            private func call(_ id: UInt64, _ connection: Connection) throws {
                let frame: [UInt8]
                do {
                    try connection.write(DubboBytes.request(id))
                    frame = try connection.readFrame()
                } catch {
                    throw Failure(Self.closed)
                }
                // Nothing but the answer: no event says that the provider goes.
                guard frame[2] & 0x20 == 0, DubboBytes.id(frame) == id, frame[3] == 20 else {
                    throw Failure("answered \(frame.prefix(16))")
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
