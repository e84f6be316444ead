import Foundation
import Testing

extension Integration {
    /// A process that was taken over from and does not answer.
    @Suite(.serialized) struct TakeoverSilenceTests {
        @Test("One that was stopped holds nobody up, keeps what it said last, and does what it missed when it goes on")
        func stopped() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let family = try TakeoverFamily(provider)
            let old = try family.start()
            let open = try Connection(to: family.listen)
            for id in 1...5 { try open.call(UInt64(id)) }
            let new = try family.start("--takeover")
            try new.metrics("it reports") { $0.sum("weir_takeover_predecessors", ["state": "answering"]) == 1 }
            old.process.send(SIGSTOP)
            defer { old.process.send(SIGCONT) }
            let before = try new.metrics("it is silent") {
                $0.sum("weir_takeover_predecessors", ["state": "silent"]) == 1
            }
            #expect(before.sum("weir_calls_total") == 5)
            // Everything else goes on.
            let other = try Connection(to: family.listen)
            try other.call(6)
            #expect(try new.metrics().sum("weir_calls_total") == 6)
            #expect(try new.get("/v1/connections").status == 200)
            let drain = "/v1/drain?interface=demo.Greeter&method=hello"
            #expect(try new.ask("POST", drain + "&grace=0s").status == 200)
            #expect(try new.get("/v1/drain").text.contains("hello"))
            old.process.send(SIGCONT)
            try new.metrics("it answers") { $0.sum("weir_takeover_predecessors", ["state": "answering"]) == 1 }
            var id: UInt64 = 10
            try eventually("it drains") {
                id += 1
                try open.write(DubboBytes.request(id))
                return try open.readFrame()[3] == 100
            }
            #expect(try new.ask("DELETE", drain).status == 200)
            try eventually("it does not any more") {
                id += 1
                try open.write(DubboBytes.request(id))
                return try open.readFrame()[3] == 20
            }
            try new.metrics("all calls") { $0.sum("weir_calls_total") == 6 + Int(id) - 10 }
            // One that does not answer is not waited for at the end either.
            old.process.send(SIGSTOP)
            #expect(try new.stop() == .exited(0))
            // When it goes on it finds that it is to end.
            old.process.send(SIGCONT)
            #expect(try old.process.wait() == .exited(0))
        }

        @Test("A predecessor that is killed as soon as it was taken over from is waited for once")
        func killed() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let family = try TakeoverFamily(provider)
            let old = try family.start()
            let open = try Connection(to: family.listen)
            try open.call(1)
            let new = try ChildProcess([WeirBinary.path, "run", "--takeover"] + family.options)
            try eventually("it is taken over") { old.process.errorText.contains("another process has taken over") }
            old.process.send(SIGKILL)
            #expect(try old.process.wait() == .killed(signal: SIGKILL))
            for _ in 0..<3 { #expect(try HTTPAnswer.get("/metrics", from: family.admin).status == 200) }
            new.send(SIGTERM)
            #expect(try new.wait() == .exited(0))
        }
    }
}
