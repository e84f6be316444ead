#if DEBUG
    import Glibc
    import Inspection
    import PlanModel
    @testable import Relay
    import TestSupport
    import Testing
    import Wire

    @Suite("The execution of plans")
    struct PlanTests {
        /// Takes what a queue would write.
        private static func drain(_ queue: inout ByteQueue) throws -> [UInt8] {
            var ends: [Int32] = [0, 0]
            try #require(
                socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0, &ends) == 0
            )
            defer { for end in ends { close(end) } }
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while !queue.isEmpty {
                _ = queue.write(to: ends[0])
                while case let count = recv(ends[1], &buffer, buffer.count, 0), count > 0 { bytes += buffer[..<count] }
            }
            return bytes
        }

        /// `#expect` for what changes its arguments.
        private func expectThat<Value: Equatable>(
            _ expected: Value,
            _ value: Value,
            at: SourceLocation = #_sourceLocation
        ) {
            #expect(value == expected, sourceLocation: at)
        }

        private func carryOut(_ pipe: inout Pipe, _ plan: Plan, _ new: some Collection<UInt8>) -> Bool {
            let new = Array(new)
            return pipe.carryOut(plan, new.span.bytes)
        }

        /// A plan of random edits, in which some reach beyond the bytes that are here.
        private static func randomPlan(_ random: inout SeededRandom) -> Plan {
            var plan = Plan()
            switch Int.random(in: 0..<8, using: &random) {
            case 0: plan.forwardAll(endsAtBoundary: Bool.random(using: &random))
            case 1: break
            default:
                for _ in 0..<Int.random(in: 0...5, using: &random) {
                    let count = Int.random(in: 0...24, using: &random)
                    switch Int.random(in: 0..<5, using: &random) {
                    case 0, 1: plan.forward(count)
                    case 2: plan.drop(count)
                    case 3: plan.replace(count / 4, with: (0..<count / 3).map { 0x80 | UInt8($0) })
                    default: plan.markBoundary()
                    }
                }
            }
            return plan
        }

        @Test("random plans over random pieces write what the model says", arguments: 0..<60)
        func randomPlans(_ seed: Int) throws {
            var random = SeededRandom(seed: UInt64(seed))
            for _ in 0..<50 {
                var pipe = Pipe()
                var model = PlanModel()
                for _ in 0..<Int.random(in: 1...40, using: &random) {
                    if Int.random(in: 0..<4, using: &random) == 0 {
                        let reply = Array(repeating: 0xff as UInt8, count: Int.random(in: 1...9, using: &random))
                        pipe.addReplies(reply)
                        model.addReplies(reply)
                    }
                    let new = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                        UInt8.random(in: 0...0x7f, using: &random)
                    }
                    let plan = Self.randomPlan(&random)
                    let isKept = carryOut(&pipe, plan, new)
                    let isKeptByModel = model.take(new, plan)
                    #expect(isKept == isKeptByModel, "seed \(seed)")
                }
                let written = try Self.drain(&pipe.queue)
                try #require(written == model.output, "seed \(seed)")
            }
        }

        @Test("one plan over a stream gives the same bytes however the stream is cut")
        func everyCut() throws {
            let stream = (0..<60).map { UInt8($0) }
            var plan = Plan()
            plan.forward(7)
            plan.replace(0, with: [0xf0])
            plan.drop(5)
            plan.forward(20)
            plan.markBoundary()
            plan.replace(4, with: [0xf1, 0xf2])
            plan.forward(24)
            plan.markBoundary()
            let reply: [UInt8] = [0xee]
            let expected = stream[..<7] + [0xf0] + stream[12..<32] + reply + [0xf1, 0xf2] + stream[36..<60]
            for first in 0...60 {
                for second in first...60 {
                    var pipe = Pipe()
                    // The stream before was in the middle of a message, so that the reply has to wait.
                    pipe.isAtBoundary = false
                    pipe.addReplies(reply)
                    expectThat(true, carryOut(&pipe, plan, stream[..<first]))
                    for piece in [stream[first..<second], stream[second...]] {
                        expectThat(true, carryOut(&pipe, Plan(), piece))
                    }
                    let written = try Self.drain(&pipe.queue)
                    try #require(written == Array(expected), "cut at \(first) and \(second)")
                    #expect(pipe.isAtBoundary && pipe.held.isEmpty && pipe.reach.isEmpty)
                }
            }
        }

        @Test("steps that reach beyond the bytes add up over plans")
        func reachesAddUp() throws {
            var pipe = Pipe()
            var plan = Plan()
            plan.forward(5)
            plan.forward(5)
            expectThat(true, carryOut(&pipe, plan, [1, 2, 3]))
            #expect(pipe.reach == [.forward(7)])
            plan.removeAll()
            plan.drop(2)
            plan.drop(1)
            plan.markBoundary()
            expectThat(true, carryOut(&pipe, plan, [4]))
            #expect(pipe.reach == [.forward(6), .drop(3), .boundary])
            #expect(!pipe.isAtBoundary)
            expectThat(true, carryOut(&pipe, Plan(), [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]))
            #expect(pipe.isAtBoundary && pipe.held == [14])
            expectThat([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], try Self.drain(&pipe.queue))
        }

        @Test("a session may hold the limit, and one byte more passes everything on", arguments: [1, 1000, 65_536])
        func overflow(_ piece: Int) throws {
            let pattern = Pattern(seed: 1).bytes(HoldLimits.directionBytes + 1)
            var pipe = Pipe()
            var at = 0
            while at < HoldLimits.directionBytes {
                let end = min(at + piece, HoldLimits.directionBytes)
                expectThat(true, carryOut(&pipe, Plan(), pattern[at..<end]))
                at = end
            }
            #expect(pipe.queue.isEmpty && pipe.held.count == HoldLimits.directionBytes)
            expectThat(false, carryOut(&pipe, Plan(), pattern[at...]))
            #expect(pipe.held.isEmpty && !pipe.isAtBoundary)
            expectThat(pattern, try Self.drain(&pipe.queue))
        }

        @Test("a few held bytes of a large read keep little memory")
        func heldMemory() {
            var pipe = Pipe()
            var plan = Plan()
            plan.forward(199_990)
            expectThat(true, carryOut(&pipe, plan, [UInt8](repeating: 1, count: 200_000)))
            #expect(pipe.held.count == 10 && pipe.held.capacity < 1000)
        }

        @Test("replies that the sink does not take count as waiting until it has")
        func waitingReplies() throws {
            var pipe = Pipe()
            pipe.addReplies([1, 2, 3])
            #expect(pipe.waitingReplyBytes == 3 && pipe.replies.isEmpty)
            var plan = Plan()
            plan.forward(2)
            expectThat(true, carryOut(&pipe, plan, [9]))
            pipe.addReplies([4])
            #expect(pipe.waitingReplyBytes == 4)
            _ = try Self.drain(&pipe.queue)
            #expect(pipe.waitingReplyBytes == 1)
            expectThat(true, carryOut(&pipe, plan, [9]))
            expectThat([9], try Self.drain(&pipe.queue))
        }
    }
#endif
