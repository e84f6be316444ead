#if DEBUG
    import HTTP2
    @testable import Inspection
    import TestSupport
    import Testing
    import Triple
    import Wire

    @Suite struct FieldSelectorTests {
        private static let traces = [
            "traceparent", "tracestate", "uber-trace-id", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled",
            "x-b3-flags", "sw8", "eagleeye-traceid", "eagleeye-rpcid", "tx_xid",
        ]

        private func texts(_ fields: [(String, String)], _ selector: FieldSelector) -> HeaderTextsBox {
            let box = HeaderTextsBox()
            box.texts.begin(isRequest: true, isReply: false, wantsFields: false, selector: selector)
            for (name, value) in fields {
                let (name, value) = (Array(name.utf8), Array(value.utf8))
                let id = TripleHeaderName.table.id(ignoringCaseOf: name.span.bytes)
                if box.texts.wants(nameID: id) {
                    box.texts.field(HeaderField(nameID: id, name: name.span.bytes, value: value.span.bytes))
                }
            }
            return box
        }

        private func text(_ slot: UInt8, _ box: HeaderTextsBox) -> String? { text(slot, box.texts) }

        private func text(_ slot: UInt8, _ headers: borrowing HeaderTexts) -> String? {
            guard let range = headers.values[slot] else { return nil }
            return headers.texts.bytes.slice(range).text
        }

        @Test("every trace header has its slot, whatever else is wanted")
        func traceSlots() {
            for listed in [[], ["user-agent", "b3", "x-own"]] {
                let selector = FieldSelector(traces: true, listed: listed, limited: ["x-own", "x-limit"])
                let box = texts(Self.traces.map { ($0.uppercased(), "value of \($0)") }, selector)
                #expect(TraceField.allCases.map(\.text) == Self.traces)
                #expect(TraceField.allCases.map { text($0.rawValue, box) } == Self.traces.map { "value of \($0)" })
            }
        }

        @Test("a name that several want has one slot; headers that HTTP knows have one, too")
        func shared() {
            let selector = FieldSelector(traces: true, listed: ["b3", "user-agent"], limited: ["user-agent", "x-a"])
            #expect(selector.listed == [TraceField.b3.rawValue, 12] && selector.limited == [12, 13])
            let box = texts([("user-agent", "one"), ("X-A", "a"), ("user-agent", "two"), ("x-b", "b")], selector)
            #expect(text(12, box) == "two" && text(13, box) == "a", "of a name that comes twice the last counts")
            #expect(TraceField.allCases.allSatisfy { box.texts.values[$0.rawValue] == nil })
        }

        @Test("nothing is kept of what nobody wants, and what limits alone want is cut")
        func bounds() {
            #expect(FieldSelector.none.isEmpty)
            let limits = FieldSelector(traces: false, listed: [], limited: ["x-a"])
            let box = texts([("traceparent", "t"), ("x-a", String(repeating: "a", count: 5000)), ("sw8", "s")], limits)
            #expect(TraceField.allCases.allSatisfy { box.texts.values[$0.rawValue] == nil })
            #expect(box.texts.values[limits.limited[0]]?.count == 1025)
            let many = (0..<200).map { "x-\($0)" }
            let most = FieldSelector(traces: true, listed: many, limited: many.map { "y" + $0 })
            #expect(most.listed.count == 64 && most.limited.count == 64 && most.names.count == 140)
            let last = texts([("yx-63", "l"), ("yx-64", "m")], most)
            #expect(text(139, last) == "l")
        }

        @Test("values are forgotten with the next request, and slots with the next selector")
        func again() {
            let values = FieldValues()
            values.begin(FieldSelector(traces: true, listed: ["x-a"], limited: []))
            values.set(12, ByteRange(offset: 1, count: 2))
            values.set(0, ByteRange(offset: 3, count: 4))
            values.remove(.traceparent)
            #expect(values[12] == ByteRange(offset: 1, count: 2) && values[TraceField.traceparent].isEmpty)
            values.begin(FieldSelector(traces: false, listed: [], limited: ["x-b"]))
            #expect(values[12] == nil)
        }
    }
#endif
