import Dubbo
import Hessian
import TestSupport
import Testing
import Wire

/// Reads a body whole, in every two pieces and in single bytes, and expects the same each time.
private func readEverySplit(_ form: BodyForm, _ body: [UInt8], serialization: UInt8 = 2) -> BodyFacts {
    let whole = read(form, body, serialization: serialization)
    // One reader for all, so that nothing of a body is left for the next.
    var reader = BodyReader()
    for cut in 1..<max(body.count, 2) where cut < body.count {
        let split = read(form, body, cuts: [cut], serialization: serialization, with: &reader)
        #expect(split == whole, "cut at \(cut) of \(hexText(body))")
    }
    let single = read(form, body, cuts: Array(1..<max(body.count, 1)), serialization: serialization, with: &reader)
    #expect(single == whole, "single bytes of \(hexText(body))")
    return whole
}

@Suite struct RequestBodyTests {
    @Test("names, arguments stepped over, and the last map as attachments")
    func plain() {
        let body = requestBody { encoder in
            encoder.string("world")
            encoder.beginList(type: "[int", count: 2)
            encoder.int(1)
            encoder.int(2)
            encoder.beginMap(type: "java.util.TreeMap")
            encoder.string("group")
            encoder.string("not this one")
            encoder.end()
            encoder.null()
        }
        let facts = readEverySplit(.request, body)
        #expect(facts.error == nil)
        #expect(facts.dubboVersion == "2.0.2" && facts.interface == "com.x.Svc" && facts.version == "1.0.0")
        #expect(facts.method == "hello" && facts.descriptor == "Ljava/lang/String;" && facts.genericMethod == nil)
        #expect(facts.attachments == ["path=com.x.Svc", "group=g"])
    }

    @Test("the request of no arguments that the protocol notes spell out")
    func handmade() {
        let body = hex("05322E302E32 03612E42 05302E302E30 016D 00 48 0470617468 03612E42 5A")
        let facts = readEverySplit(.request, body)
        #expect(facts.interface == "a.B" && facts.method == "m" && facts.descriptor == "")
        #expect(facts.attachments == ["path=a.B"])
    }

    @Test("a null version is unknown, an empty one is empty")
    func versions() {
        let null = readEverySplit(.request, requestBody(["2.0.2", "a.B", nil, "m", ""]) { _ in })
        #expect(null.version == nil && null.method == "m" && null.attachments != nil && null.error == nil)
        let empty = readEverySplit(.request, requestBody(["2.0.2", "a.B", "", "m", ""]) { _ in })
        #expect(empty.version == "" && empty.method == "m")
        let none = readEverySplit(.request, requestBody([nil, nil, nil, nil, nil]) { _ in })
        #expect(none.interface == nil && none.method == nil && none.attachments != nil)
    }

    @Test(
        "descriptors are not believed",
        arguments: ["V", "[Ljava/util/Date", "", "Ljava/lang/String;IJZ", "garbage", "[[[["]
    )
    func descriptors(descriptor: String) {
        let body = requestBody(["2.0.2", "a.B", "1", "m", descriptor]) { encoder in
            encoder.string("one")
            encoder.long(1 << 40)
            encoder.date(milliseconds: 1)
        }
        let facts = readEverySplit(.request, body)
        #expect(facts.descriptor == descriptor && facts.attachments == ["path=com.x.Svc", "group=g"])
        #expect(facts.error == nil)
    }

    @Test(
        "a generic call names its method in the first argument",
        arguments: ["$invoke", "$invokeAsync", "$echo", "$in"]
    )
    func generic(method: String) {
        let isGeneric = method.hasPrefix("$invoke")
        for name in ["real", String(repeating: "n", count: 2000), "中文😀"] {
            let body = requestBody(["2.0.2", "a.B", "1", method, "…"]) { encoder in
                encoder.string(name)
                encoder.beginList(type: "[string", count: 1)
                encoder.string("int")
                encoder.beginList(type: "[object", count: 1)
                encoder.int(7)
            }
            let facts = readEverySplit(.request, body)
            #expect(facts.method == method && facts.genericMethod == (isGeneric ? name : nil), "\(name.prefix(9))")
            #expect(facts.attachments?.count == 2)
        }
        let null = readEverySplit(.request, requestBody(["2.0.2", "a.B", "1", method, ""]) { $0.null() })
        #expect(null.genericMethod == nil && null.attachments?.count == 2)
        let number = readEverySplit(.request, requestBody(["2.0.2", "a.B", "1", method, ""]) { $0.int(1) })
        #expect(number.genericMethod == nil && number.attachments?.count == 2)
    }

    @Test("no attachments, null for them, a reference in their place, a typed map, an empty one")
    func lastValues() {
        let names = requestBody(attachments: nil) { _ in }
        #expect(readEverySplit(.request, names).attachments == nil)
        #expect(readEverySplit(.request, names).error == nil)
        #expect(readEverySplit(.request, names + [0x4e]).attachments == [])
        #expect(readEverySplit(.request, names + hex("51 90")).attachments == nil)
        #expect(readEverySplit(.request, names + hex("48 5a")).attachments == [])
        let typed = hex("4d 11 6a6176612e7574696c2e486173684d6170 0161 0162 5a")
        #expect(readEverySplit(.request, names + typed).attachments == ["a=b"])
        // A type that was named before is a number.
        #expect(readEverySplit(.request, names + typed + hex("4d 90 0163 0164 5a")).attachments == ["c=d"])
        // An object of the argument's class is no map.
        #expect(readEverySplit(.request, names + hex("43 0161 90 60")).attachments == nil)
    }

    @Test("attachments keep text and lists of one text; keys and values of other kinds are passed over")
    func attachmentValues() {
        let names = requestBody(attachments: nil) { _ in }
        let map = hessian { encoder in
            encoder.beginMap()
            encoder.string("traceparent")
            encoder.beginList(type: "[string", count: 1)
            encoder.string("00-a")
            encoder.string("untyped")
            encoder.beginList(count: 1)
            encoder.string("one")
            encoder.string("two")
            encoder.beginList(type: "[string", count: 2)
            encoder.string("x")
            encoder.string("y")
            encoder.string("none")
            encoder.beginList(type: "[string", count: 0)
            encoder.string("list of a number")
            encoder.beginList(type: "[object", count: 1)
            encoder.int(5)
            encoder.string("number")
            encoder.int(5000)
            encoder.string("bool")
            encoder.bool(true)
            encoder.string("null")
            encoder.null()
            encoder.string("map")
            encoder.beginMap()
            encoder.string("inner")
            encoder.string("value")
            encoder.end()
            encoder.int(3)
            encoder.string("value of a number")
            encoder.null()
            encoder.string("value of null")
            encoder.string("中文")
            encoder.string("😀")
            encoder.string("last")
            encoder.string("")
            encoder.end()
        }
        let facts = readEverySplit(.request, names + map)
        #expect(facts.attachments == ["traceparent=00-a", "untyped=one", "中文=😀", "last="] && facts.error == nil)
    }

    @Test("a deadline may be a number")
    func numericTimeout() {
        let names = requestBody(attachments: nil) { _ in }
        for (key, value) in [("timeout", 5000), ("_TO", 30), ("_to", 47), ("timeout", -1), ("timeout", 1 << 20)] {
            let map = hessian { encoder in
                encoder.beginMap()
                encoder.string("other")
                encoder.int(1)
                encoder.string(key)
                encoder.int(Int32(value))
                encoder.string("a")
                encoder.string("b")
                encoder.end()
            }
            let facts = readEverySplit(.request, names + map)
            #expect(facts.timeout == Int32(value) && facts.attachments == ["a=b"], "\(key)")
            // Of an argument it is no deadline.
            let argument = readEverySplit(.request, names + map + hex("48 5a"))
            #expect(argument.timeout == nil && argument.attachments == [])
        }
        let both = hessian { encoder in
            encoder.beginMap()
            encoder.string("timeout")
            encoder.int(70_000)
            encoder.string("_TO")
            encoder.int(40)
            encoder.end()
        }
        #expect(readEverySplit(.request, names + both).timeout == 40)
    }

    @Test("at most 128 attachments are kept", arguments: [127, 128, 129, 500])
    func bound(count: Int) {
        let body = requestBody(attachments: (0..<count).map { ("k\($0)", "v\($0)") })
        for cuts in [[], [body.count / 2], Array(1..<body.count)] {
            let facts = read(.request, body, cuts: cuts)
            #expect(facts.attachments?.count == min(count, RequestMetadata.maxAttachments) && facts.error == nil)
            #expect(facts.attachments?.last == "k\(min(count, 128) - 1)=v\(min(count, 128) - 1)")
        }
    }

    @Test("what does not fit the kept texts is unknown; the rest stays known")
    func overflow() {
        let long = String(repeating: "x", count: 300)
        let body = requestBody(
            ["2.0.2", "a.B", "1", "m", long],
            attachments: [("group", "g"), ("long", long), ("a", "b")]
        )
        #expect(read(.request, body, keptBytes: 64).descriptor == long)
        let split = read(.request, body, cuts: Array(1..<body.count), keptBytes: 64)
        #expect(split.error == nil && split.interface == "a.B" && split.method == "m" && split.descriptor == nil)
        #expect(split.attachments == ["group=g", "a=b"])
        // An interface that does not fit leaves the others.
        let names = requestBody(["2.0.2", long, "1", "m", ""])
        let facts = read(.request, names, cuts: [30, 200], keptBytes: 64)
        #expect(facts.interface == nil && facts.method == "m" && facts.attachments == ["path=com.x.Svc", "group=g"])
    }

    @Test("a large map among the arguments takes no room from the attachments")
    func largeMapArgument() {
        let body = requestBody { encoder in
            encoder.string("first")
            for _ in 0..<4 {
                encoder.beginMap()
                for number in 0..<128 {
                    encoder.string("key \(number)")
                    encoder.string(String(repeating: "v", count: 400))
                }
                encoder.end()
            }
        }
        let whole = read(.request, body)
        for cuts in [[1], [body.count / 2], [body.count - 5], Array(stride(from: 7, to: body.count, by: 1460))] {
            #expect(read(.request, body, cuts: cuts) == whole)
        }
        #expect(whole.attachments == ["path=com.x.Svc", "group=g"])
    }

    @Test("every prefix of a request is truncated, and says what it knows")
    func everyPrefix() {
        let body = requestBody()
        let ends = [6, 16, 22, 28, 48]
        for count in 0..<body.count {
            let facts = readEverySplit(.request, Array(body[..<count]))
            #expect((facts.dubboVersion != nil) == (count >= ends[0]), "\(count)")
            #expect((facts.interface != nil) == (count >= ends[1]), "\(count)")
            #expect((facts.version != nil) == (count >= ends[2]), "\(count)")
            #expect((facts.method != nil) == (count >= ends[3]), "\(count)")
            #expect(facts.attachments == nil, "\(count)")
            // A body may end between two values.
            #expect((facts.error == nil) == (count == 47 || count == 53), "\(count) \(String(describing: facts.error))")
        }
    }

    @Test("a bad value ends the reading and keeps the names")
    func damaged() {
        for (bad, error) in [
            ("40", HessianError.badTag(tag: 0x40, offset: 47)), ("5a", .badTag(tag: 0x5a, offset: 47)),
            ("48 0161 5a", .oddMap(offset: 50)), ("48 90 5a", .oddMap(offset: 49)), ("60", .badIndex(offset: 47)),
            ("01 f09f9880", .badText(offset: 48)), ("48 0161 01f0 5a", .badText(offset: 51)),
        ] {
            let body = requestBody(attachments: nil) { _ in } + hex(bad) + hex("48 0161 0162 5a")
            let facts = readEverySplit(.request, body)
            #expect(facts.error == error && facts.method == "hello" && facts.attachments == nil, "\(bad)")
        }
        let facts = readEverySplit(.request, hex("05322E302E32 90"))
        #expect(facts.error == .badTag(tag: 0x90, offset: 6) && facts.dubboVersion == "2.0.2" && facts.interface == nil)
    }

    @Test("the fast path finds what a reader finds, or gives up")
    func fastPath() {
        var reader = BodyReader()
        var given = 0
        for body in [
            requestBody(), requestBody(["2.0.2", "a.B", nil, "m", ""]),
            requestBody(attachments: nil) { _ in } + hex("4d 0161 05 67726f7570 0167 5a"),
            requestBody(["2.0.2", "a.B", "", "$invoke", ""]) { $0.string("real") },
            requestBody(["2.0.2", "a.B", "", "$invoke", ""], attachments: nil) { _ in } + hex("52 0001 61 0162 48 5a"),
            requestBody { $0.binary([1, 2, 3]) }, requestBody(attachments: nil) + hex("51 90"), requestBody() + [0x4e],
            requestBody() + [0x40], requestBody(attachments: nil) { $0.string("中") },
        ] {
            for count in [body.count, body.count - 1] {
                let piece = Array(body[..<count])
                let facts = read(.request, piece)
                guard let found = reader.parseFast(piece.span.bytes) else { continue }
                given += 1
                #expect(facts.error == nil, "\(hexText(piece))")
                #expect(piece.span.bytes.slice(found.interface).text == facts.interface)
                #expect(piece.span.bytes.slice(found.version).text == facts.version)
                #expect(piece.span.bytes.slice(found.method).text == facts.genericMethod ?? facts.method)
                let group = piece.span.bytes.slice(found.attachments.group).text
                #expect(group == (facts.attachments?.contains("group=g") == true ? "g" : ""), "\(hexText(piece))")
            }
        }
        #expect(given > 4)
    }
}

@Suite struct ReplyBodyTests {
    private let thrown = hex("43 03 612e45 92 05 6361757365 0d 64657461696c4d657373616765 60 4e 03 6f6f6d")
    private let map = hex("48 05647562626F 05322E302E32 5A")

    private func reply(_ body: [UInt8], _ detail: BodyReader.Detail = .attachments, status: UInt8 = 20) -> BodyFacts {
        readEverySplit(.reply(status: status, detail), body)
    }

    @Test("all kinds, with and without dubbo-go's byte at the end")
    func kinds() {
        for tail in [[], [0x4e]] as [[UInt8]] {
            #expect(reply([0x90] + thrown + tail) == BodyFacts(kind: .exception, exceptionClass: "a.E", message: "oom"))
            #expect(reply(hex("91 0161") + tail) == BodyFacts(kind: .value))
            #expect(reply([0x92] + tail) == BodyFacts(kind: .null))
            #expect(
                reply([0x93] + thrown + map + tail)
                    == BodyFacts(
                        attachments: ["dubbo=2.0.2"],
                        kind: .exceptionWithAttachments,
                        exceptionClass: "a.E",
                        message: "oom"
                    )
            )
            let value = BodyFacts(attachments: ["dubbo=2.0.2"], kind: .valueWithAttachments)
            #expect(reply(hex("94 7a 90 43 0161 90 60") + map + tail) == value)
            #expect(reply([0x95] + map + tail) == BodyFacts(attachments: ["dubbo=2.0.2"], kind: .nullWithAttachments))
        }
    }

    @Test("without interest in attachments only the kind and the exception are read")
    func outcomeOnly() {
        #expect(reply([0x94], .outcome) == BodyFacts(kind: .valueWithAttachments))
        #expect(reply([0x95, 0x40], .outcome) == BodyFacts(kind: .nullWithAttachments))
        #expect(reply(hex("91 40"), .outcome) == BodyFacts(kind: .value))
        let exception = BodyFacts(kind: .exceptionWithAttachments, exceptionClass: "a.E", message: "oom")
        #expect(reply([0x93] + thrown + [0x40], .outcome) == exception)
    }

    @Test("a kind may be written long, and is one of six")
    func longKinds() {
        #expect(reply(hex("c801")).kind == .value)
        #expect(reply(hex("49 00000005 48 5a")).kind == .nullWithAttachments)
        #expect(reply([0x96]).error == .badTag(tag: 6, offset: 0))
        #expect(reply([0x8f]).error == .badTag(tag: 0xff, offset: 0))
        #expect(reply([0x4e]).error == .badTag(tag: 0x4e, offset: 0))
        #expect(reply([]).error == .truncated(offset: 0))
    }

    @Test("attachments that are null, a reference, a typed map, or missing")
    func attachments() {
        #expect(reply(hex("95 4e")) == BodyFacts(kind: .nullWithAttachments))
        #expect(reply(hex("95 51 90")) == BodyFacts(kind: .nullWithAttachments))
        #expect(reply(hex("95 4d 0161 0162 0163 5a")).attachments == ["b=c"])
        #expect(reply(hex("95 48 5a")).attachments == [])
        #expect(reply([0x95]).error == .truncated(offset: 1))
        #expect(reply(hex("95 48 0161")).error == .truncated(offset: 4))
        #expect(reply(hex("95 48 0161 5a")).error == .oddMap(offset: 4))
    }

    @Test(
        "the text of a status that is not 20, with and without dubbo-go's byte",
        arguments: [25, 30, 40, 70, 100] as [UInt8]
    )
    func errorText(status: UInt8) {
        for tail in [[], [0x4e], [0x4e, 0x4e]] as [[UInt8]] {
            #expect(reply(hex("04 62757379") + tail, status: status) == BodyFacts(message: "busy"))
            #expect(reply([0x4e] + tail, status: status) == BodyFacts())
            #expect(reply([0x00] + tail, status: status) == BodyFacts(message: ""))
            #expect(reply(hex("52 0001 61 0162") + tail, status: status) == BodyFacts(message: "ab"))
        }
        #expect(reply([0x90], status: status).error == .badTag(tag: 0x90, offset: 0))
        #expect(reply(hex("04 6275"), status: status).error == .truncated(offset: 3))
    }

    @Test("of an exception that breaks off the class and the message stay known")
    func brokenException() {
        let broken = [0x90] + Array(thrown.dropLast(4)) + hex("03 6f6f")
        let facts = reply(broken)
        #expect(facts.kind == .exception && facts.exceptionClass == "a.E" && facts.message == nil && facts.error != nil)
        let bad = reply(hex("90 43 03 612e45 92 0d 64657461696c4d657373616765 0178 60 03 6f6f6d 40"))
        #expect(bad.exceptionClass == "a.E" && bad.message == "oom")
        #expect(bad.error == .badTag(tag: 0x40, offset: 28))
    }

    @Test("every prefix of a reply is truncated or, its kind being all that is wanted, known")
    func everyPrefix() {
        let body = [0x93] + thrown + map
        for count in 0..<body.count {
            let facts = reply(Array(body[..<count]))
            #expect((facts.kind != nil) == (count >= 1))
            #expect((facts.exceptionClass == "a.E") == (count > 27), "\(count)")
            guard case .truncated = facts.error else {
                Issue.record("\(count): \(String(describing: facts.error))")
                continue
            }
        }
    }

    @Test("other serializations are read from any pieces too")
    func otherSerializations() {
        let lines = Array("2\n".utf8)
        #expect(readEverySplit(.reply(status: 20, .attachments), lines, serialization: 6).kind == .null)
        let request = Array("\"2.0.2\"\n\"a.B\"\n\"1\"\n\"m\"\n\"\"\n{\"group\":\"g\"}\n".utf8)
        let facts = readEverySplit(.request, request, serialization: 6)
        #expect(facts.interface == "a.B" && facts.method == "m" && facts.attachments == ["group=g"])
        let unknown = readEverySplit(.request, request, serialization: 12)
        #expect(unknown == BodyFacts())
    }
}

@Suite struct EventBodyTests {
    @Test(
        "the events and what is none",
        arguments: [
            ("4e", EventPayload.heartbeat), ("4e4e", .heartbeat), ("0152", .readonly), ("0157", .writeable),
            ("01524e", .readonly), ("0148", .other), ("", .other), ("90", .other), ("02 5252", .other),
            ("4e\(String(repeating: "00", count: 16))", .other), (String(repeating: "4e", count: 70_000), .other),
        ]
    )
    func events(body: String, event: EventPayload) {
        let bytes = hex(body)
        guard bytes.count < 100 else {
            for cuts in [[], [1], [65_535], [65_536], [65_537]] {
                #expect(read(.event, bytes, cuts: cuts).event == event)
            }
            return
        }
        #expect(readEverySplit(.event, bytes).event == event)
    }
}
