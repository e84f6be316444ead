import Calls
import Foundation
import Hessian
import Inspection
import Telemetry
import TestSupport
import Testing

@Suite struct DubboCallTests {
    @Test("a call is counted once, under its operation, with its bytes and its time", arguments: Watching.allCases)
    func call(watching: Watching) throws {
        let bench = Bench(watching)
        let session = bench.open()
        let request = Frames.request(attachments: [("group", "g"), ("remote.application", "shop")])
        bench.up(session, request, now: 1_000)
        #expect(session.inFlight == 1 && bench.inspector.callsInFlight == 1)
        #expect(bench.snapshot.report("hello")?.inFlight == 1 && bench.counts().isEmpty)
        let reply = Frames.reply()
        bench.down(session, reply, now: 51_000)
        #expect(session.inFlight == 0 && bench.inspector.callsInFlight == 0)
        let report = try #require(bench.snapshot.report("hello"))
        #expect(report.inFlight == 0 && report.operation.interface == "com.x.Svc")
        #expect(report.operation.version == "1.0.0" && report.operation.group == "g")
        #expect(report.requestBytes == UInt64(request.count) && report.responseBytes == UInt64(reply.count))
        #expect(report.duration.count == 1 && report.duration.sumNanoseconds == 50_000)
        #expect(bench.counts() == ["com.x.Svc.hello ok OK 1"])
        guard watching != .nothing else { return #expect(bench.calls.all.isEmpty) }
        let told = try #require(bench.calls.all.first)
        #expect(bench.calls.all.count == 1 && told.caller == "shop" && told.id == "1" && told.exception == "")
        #expect(told.call.startNanoseconds == 1_000 && told.call.durationNanoseconds == 50_000)
        #expect(told.connection.client == Bench.client.client && told.connection.server == Bench.client.server)
    }

    @Test("replies may come in any order and many at once", arguments: Watching.allCases)
    func outOfOrder(watching: Watching) {
        let bench = Bench(watching)
        let session = bench.open()
        bench.up(session, (1...50).flatMap { Frames.request(id: UInt64($0), method: "m\($0 % 5)") })
        #expect(session.inFlight == 50)
        bench.down(session, (1...50).reversed().flatMap { Frames.reply(id: UInt64($0)) })
        #expect(session.inFlight == 0)
        #expect(bench.counts() == (0..<5).map { "com.x.Svc.m\($0) ok OK 10" })
        // A reply to nothing is passed over.
        bench.down(session, Frames.reply(id: 50) + Frames.reply(id: 51))
        #expect(bench.counts().count == 5 && bench.uninspected.isEmpty && bench.decodeErrors.isEmpty)
    }

    @Test("ids are compared as 64 raw bits, each direction and connection for itself")
    func ids() {
        let bench = Bench()
        let (one, two) = (bench.open(), bench.open())
        for id in [0, 1, UInt64(Int64.max), 1 << 63, .max] {
            bench.up(one, Frames.request(id: id))
            bench.up(two, Frames.request(id: id, method: "other"))
            bench.down(one, Frames.request(id: id, method: "callback"))
            bench.down(two, Frames.reply(id: id))
            #expect(one.inFlight == 2 && two.inFlight == 0)
            bench.up(one, Frames.reply(id: id))
            bench.down(one, Frames.failure(id: id, status: 70))
            #expect(one.inFlight == 0)
        }
        #expect(bench.counts() == ["com.x.Svc.hello server_error SERVICE_ERROR 5", "com.x.Svc.other ok OK 5"])
        #expect(bench.counts(side: .consumer) == ["com.x.Svc.callback ok OK 5"])
        #expect(bench.lines.filter { $0.contains(#""request_id":-1,"#) }.count == 6)
    }

    @Test("a oneway call ends as it begins", arguments: Watching.allCases)
    func oneway(watching: Watching) {
        let bench = Bench(watching)
        let session = bench.open()
        let request = Frames.request(isTwoWay: false)
        bench.up(session, request)
        #expect(session.inFlight == 0 && bench.counts() == ["com.x.Svc.hello oneway  1"])
        let report = bench.snapshot.report("hello")
        #expect(report?.requestBytes == UInt64(request.count) && report?.duration.count == 0 && report?.inFlight == 0)
        bench.inspector.close(session, now: 5000)
        #expect(bench.counts() == ["com.x.Svc.hello oneway  1"])
        #expect(bench.calls.all.map(\.call.outcome) == (watching == .nothing ? [] : [.oneway]))
    }

    @Test("requests of the provider are calls of the other side")
    func callbacks() {
        for side in Side.allCases {
            let bench = Bench()
            let session = bench.open(side: side)
            let other: Side = side == .provider ? .consumer : .provider
            bench.up(session, Frames.request())
            bench.down(session, Frames.request(id: 77, interface: "com.x.Listener", version: nil, method: "changed"))
            bench.up(session, Frames.reply(id: 77))
            bench.down(session, Frames.reply())
            #expect(bench.counts(side: side) == ["com.x.Svc.hello ok OK 1"])
            #expect(bench.counts(side: other) == ["com.x.Listener.changed ok OK 1"])
            #expect(bench.calls.all.map(\.call.side) == [other, side])
            #expect(bench.lines.map { $0.contains(#""dir":"c2s""#) } == [true, false, true, false])
        }
    }

    @Test("a generic call counts under the method it names", arguments: ["$invoke", "$invokeAsync"])
    func generic(method: String) {
        for watching in Watching.allCases {
            let bench = Bench(watching)
            let session = bench.open()
            bench.up(
                session,
                Frames.request(
                    method: method,
                    arguments: { encoder in
                        encoder.string("real")
                        encoder.beginList(type: "[string", count: 0)
                        encoder.beginList(type: "[object", count: 0)
                    }
                )
            )
            bench.down(session, Frames.reply())
            #expect(bench.counts() == ["com.x.Svc.real ok OK 1"])
        }
        let bench = Bench(.nothing)
        let session = bench.open()
        bench.up(session, Frames.request(method: "$echo"))
        bench.down(session, Frames.reply())
        // Without a name in the first argument it is what it is.
        bench.up(session, Frames.request(method: method, arguments: { $0.null() }))
        bench.down(session, Frames.reply())
        #expect(bench.counts() == ["com.x.Svc.$echo ok OK 1", "com.x.Svc.\(method) ok OK 1"])
    }

    @Test("exceptions are business errors and counted by class", arguments: Watching.allCases)
    func exceptions(watching: Watching) throws {
        let bench = Bench(watching)
        let session = bench.open()
        let replies = [
            Frames.exception(), Frames.exception("com.x.Other", message: nil),
            Frames.exception(attachments: [("dubbo", "2.0.2")]),
        ]
        for reply in replies {
            bench.up(session, Frames.request())
            bench.down(session, reply)
        }
        let report = try #require(bench.snapshot.report("hello"))
        #expect(bench.counts() == ["com.x.Svc.hello business_error OK 3"])
        #expect(report.exceptions.map { "\($0.className) \($0.count)" } == ["com.x.Oops 2", "com.x.Other 1"])
        #expect(report.duration.count == 3)
        if watching != .nothing {
            #expect(bench.calls.all.map(\.exception) == ["com.x.Oops", "com.x.Other", "com.x.Oops"])
        }
    }

    @Test(
        "every status becomes its outcome and keeps its name",
        arguments: [
            (25, "server_error", "SERIALIZATION_ERROR"), (30, "timeout", "CLIENT_TIMEOUT"),
            (31, "timeout", "SERVER_TIMEOUT"), (35, "server_error", "CHANNEL_INACTIVE"),
            (40, "client_error", "BAD_REQUEST"), (50, "server_error", "BAD_RESPONSE"),
            (60, "server_error", "SERVICE_NOT_FOUND"), (70, "server_error", "SERVICE_ERROR"),
            (80, "server_error", "SERVER_ERROR"), (90, "client_error", "CLIENT_ERROR"),
            (100, "server_error", "SERVER_THREADPOOL_EXHAUSTED_ERROR"), (0, "server_error", "0"),
            (255, "server_error", "255"),
        ] as [(UInt8, String, String)]
    )
    func statuses(status: UInt8, outcome: String, code: String) throws {
        for watching in Watching.allCases {
            let bench = Bench(watching)
            let session = bench.open()
            for tail in [[], [0x4e]] as [[UInt8]] {
                bench.up(session, Frames.request())
                bench.down(session, Frames.failure(status: status, tail: tail))
            }
            #expect(bench.counts() == ["com.x.Svc.hello \(outcome) \(code) 2"])
            // A status that says timeout is no answer of the service's.
            #expect(bench.snapshot.report("hello")?.duration.count == (outcome == "timeout" ? 0 : 2))
            #expect(bench.decodeErrors.isEmpty)
        }
    }

    @Test("every kind of value is ok, with dubbo-go's byte at the end or not", arguments: Watching.allCases)
    func kinds(watching: Watching) {
        let bench = Bench(watching)
        let session = bench.open()
        let map = Frames.map([("dubbo", "2.0.2")])
        let bodies: [[UInt8]] = [[0x91, 0x90], [0x92], [0x94, 0x90] + map, [0x95] + map, hex("c801 90")]
        for body in bodies + bodies.map({ $0 + [0x4e] }) {
            bench.up(session, Frames.request())
            bench.down(session, Frames.frame(0x02, status: 20, id: 1, body))
        }
        #expect(bench.counts() == ["com.x.Svc.hello ok OK 10"] && bench.decodeErrors.isEmpty)
    }

    @Test("an unknown serialization counts under an interface of that name")
    func unknownSerialization() {
        for watching in Watching.allCases {
            let bench = Bench(watching)
            let session = bench.open()
            for serialization in [9, 10, 11, 12, 18, 21, 22, 27, 28, 31, 0, 1, 30] as [UInt8] {
                bench.up(session, Frames.frame(0xc0 | serialization, id: 1, hex("0102030405")))
                bench.down(session, Frames.frame(serialization, status: 20, id: 1, hex("0102030405")))
                bench.up(session, Frames.frame(0xc0 | serialization, id: 2, []))
                bench.down(session, Frames.frame(serialization, status: 70, id: 2, []))
            }
            #expect(bench.counts() == ["unknown. ok OK 13", "unknown. server_error SERVICE_ERROR 13"])
        }
    }

    @Test("other serializations that are read give interface and method")
    func foreignSerialization() {
        let bench = Bench()
        let session = bench.open()
        let body = Array("\"2.0.2\"\n\"a.B\"\n\"1\"\n\"m\"\n\"\"\n{\"group\":\"g\"}\n".utf8)
        bench.up(session, Frames.frame(0xc6, id: 1, body))
        bench.down(session, Frames.frame(0x06, status: 20, id: 1, Array("2\n".utf8)))
        #expect(bench.counts() == ["a.B.m ok OK 1"] && bench.snapshot.report("m")?.operation.group == "g")
    }

    @Test("a body that cannot be read still makes a call of its header")
    func damagedBodies() {
        for watching in Watching.allCases {
            let bench = Bench(watching)
            let session = bench.open()
            bench.up(session, Frames.frame(0xc2, id: 1, hex("40")))
            bench.down(session, Frames.frame(0x02, status: 20, id: 1, hex("40")))
            bench.up(session, Frames.frame(0xc2, id: 2, hex("05322e302e32 03612e42 4e 016d 00 40 485a")))
            bench.down(session, Frames.reply(id: 2))
            bench.up(session, Frames.frame(0xc2, id: 3, []))
            bench.down(session, Frames.frame(0x02, status: 20, id: 3, []))
            #expect(bench.counts() == ["a.B.m ok OK 1", "unknown. unknown  2"])
            #expect(bench.decodeErrors["hessian_tag"] == 3 && bench.decodeErrors["hessian_truncated"] == 2)
            #expect(bench.uninspected.isEmpty)
        }
    }

    @Test("names are cut to 255 bytes for their label, in front of the character that does not fit")
    func longNames() throws {
        let bench = Bench(.nothing)
        let session = bench.open()
        for method in [String(repeating: "m", count: 255), String(repeating: "m", count: 5000)] {
            bench.up(session, Frames.request(method: method))
            bench.down(session, Frames.reply())
        }
        #expect(bench.counts() == ["com.x.Svc.\(String(repeating: "m", count: 255)) ok OK 2"])
        bench.up(session, Frames.request(id: 2, interface: String(repeating: "中", count: 100), method: "zh"))
        #expect(bench.snapshot.report("zh")?.operation.interface == String(repeating: "中", count: 85))
    }

    @Test("operations past the registry's capacity count under one name")
    func overflow() {
        let bench = Bench(.nothing, capacity: 3)
        let session = bench.open()
        for round in 0..<3 {
            for number in 0..<10 {
                bench.up(session, Frames.request(id: UInt64(number), method: "m\(number)"))
                bench.down(session, Frames.reply(id: UInt64(number)))
            }
            // One of the three is the operation of calls whose names cannot be read.
            #expect(bench.snapshot.operationCount == 3 && bench.registry.overflowed == UInt64(8 * (round + 1)))
        }
        #expect(bench.counts() == ["_other._other ok OK 24", "com.x.Svc.m0 ok OK 3", "com.x.Svc.m1 ok OK 3"])
    }

    @Test("more names than the worker remembers cost nothing but time")
    func manyNames() {
        let bench = Bench(.nothing, capacity: 20_000)
        let session = bench.open()
        for round in 0..<2 {
            for number in 0..<6000 {
                bench.up(session, Frames.request(method: "m\(number)"))
                bench.down(session, Frames.reply())
            }
            #expect(bench.registry.count == 6001, "round \(round)")
        }
        #expect(bench.snapshot.operations.allSatisfy { $0.operation.method.isEmpty || $0.calls == 2 })
    }

    @Test("names that differ in one part only are operations of their own")
    func parts() {
        let bench = Bench(.nothing)
        let session = bench.open()
        var expected = 0
        for interface in ["a", "ab"] {
            for method in ["c", "bc"] {
                for version in ["", "1", "11"] {
                    for group in ["", "1", "g"] {
                        let attachments = group.isEmpty ? [] : [("group", group)]
                        let request = Frames.request(
                            interface: interface,
                            version: version,
                            method: method,
                            attachments: attachments
                        )
                        bench.up(session, request + request)
                        expected += 1
                    }
                }
            }
        }
        #expect(bench.registry.count == expected + 1)
    }

    @Test("the trace context and the caller go with the call")
    func trace() throws {
        let bench = Bench(.calls)
        let session = bench.open()
        let trace = "00-aa5002224700d59c14b9d7ffef07e298-b0e67b41b370c66a-01"
        let attachments: [[(String, String)]] = [
            [("application", "go"), ("traceparent", trace)],
            [("application", "go"), ("remote.application", "java"), ("uber-trace-id", "1:2:0:1")],
            [("uber-trace-id", "1:2:0:1"), ("traceparent", trace)],
            [("traceparent", "nonsense")], [],
        ]
        for (id, attachments) in attachments.enumerated() {
            bench.up(session, Frames.request(id: UInt64(id), isTwoWay: id != 4, attachments: attachments))
            bench.down(session, Frames.reply(id: UInt64(id)))
        }
        let told = bench.calls.all
        #expect(told.map(\.caller) == ["go", "java", "", "", ""])
        #expect(told[0].trace?.traceID.text == "aa5002224700d59c14b9d7ffef07e298" && told[0].trace?.isSampled == true)
        #expect(told[0].trace?.spanID == 0xb0e67b41b370c66a && told[1].trace?.spanID == 0x0000000000000002)
        #expect(told[2].trace == told[0].trace && told[3].trace == nil && told[4].trace == nil)
    }

    @Test("who starts or stops watching in the middle of a call disturbs nothing", arguments: Watching.allCases)
    func watchingChanges(before: Watching) {
        for after in Watching.allCases {
            let bench = Bench(before)
            let session = bench.open()
            let reply = Frames.failure(id: 1, status: 70, "a text that is longer than what is left of it")
            let request = Frames.request(attachments: [("remote.application", "first")])
            let others = bench.open()
            bench.up(session, Array(request[..<40]))
            bench.up(others, Array(request[..<50]))
            bench.watch(after)
            bench.up(session, Array(request[40...]))
            bench.watch(before)
            bench.down(session, Array(reply[..<30]))
            bench.down(others, Frames.exception(id: 5))
            bench.watch(after)
            bench.down(session, Array(reply[30...]))
            bench.watch(before)
            bench.up(others, Array(request[50...]))
            bench.down(others, Frames.reply())
            #expect(bench.counts().count == 2 && bench.decodeErrors.isEmpty && session.inFlight == 0)
        }
    }

    @Test("a caller that was told of one call is not told of the next in its place")
    func staleTexts() {
        let bench = Bench(.calls)
        let session = bench.open()
        bench.up(session, Frames.request(attachments: [("remote.application", "first")]))
        bench.watch(.nothing)
        bench.down(session, Frames.reply())
        bench.up(session, Frames.request())
        bench.watch(.calls)
        bench.down(session, Frames.reply())
        #expect(bench.calls.all.map(\.caller) == [""])
    }

    @Test("a reply whose reading nobody wanted when it began is not taken for another one's")
    func unreadReply() throws {
        let bench = Bench(.nothing)
        let (one, two) = (bench.open(), bench.open())
        bench.up(one, Frames.request())
        bench.up(two, Frames.request())
        let reply = Frames.failure(status: 70, "a text of its own")
        bench.down(one, Array(reply.dropLast(2)))
        bench.watch(.messages)
        bench.down(two, Frames.failure(status: 80, String(repeating: "another text ", count: 9)))
        bench.down(one, Array(reply.suffix(2)))
        let lines = try objects(bench.messages.json.bytes)
        #expect(lines.map { ($0["status"] as? NSNumber)?.intValue } == [80, 70])
        #expect(lines[1]["exception_message"] is NSNull)
    }

    @Test("names that spell the same bytes in another way are other names")
    func spelling() {
        // The bytes of the first request's names, as they stand in its body, are those of the second one's with
        // lengths of two bytes.
        let front = String(repeating: "i", count: 47)
        let back = String(repeating: "m", count: 47)
        let version = front + "\0\u{1}1\0\u{31}" + back
        #expect(version.utf8.count == 99)
        let bench = Bench(.nothing)
        let session = bench.open()
        bench.up(session, Frames.request(interface: "", version: version, method: "m", attachments: []))
        let request = Frames.request(
            id: 2,
            interface: "c" + front,
            version: "1",
            method: back + "\u{1}m",
            attachments: []
        )
        bench.up(session, Array(request[..<30]))
        bench.up(session, Array(request[30...]))
        let interfaces = bench.snapshot.operations.map(\.operation.interface)
        #expect(Set(interfaces) == ["", "c" + front] && session.inFlight == 2)
    }
}
