internal import Calls
internal import OTLP
internal import Telemetry
internal import Wire

extension SpanConventions {
    /// Everything about a call that is neither its name, its times nor its ids.
    func attributes(_ subject: Subject, _ status: CallStatus) -> [OTLPKeyValue] {
        var list = AttributeList()
        list.values.reserveCapacity(32)
        if names != .current { classic(subject, &list) }
        if names != .classic { current(subject, &list) }
        list.addIfPresent("error.type", status.errorType)
        ends(subject, &list)
        dubbo(subject, &list)
        otherContexts(subject.texts, &list)
        own(subject, &list)
        return list.values
    }

    /// OpenTelemetry's names until version 1.38.
    private func classic(_ subject: Subject, _ list: inout AttributeList) {
        let code = subject.call.code
        let traits = subject.operation.callProtocol.traits
        list.add("rpc.system", traits.spans.classicSystem.description)
        if let key = traits.spans.classicCodeKey, code != ResultCode.none, code != 0 || traits.codes.haveSuccess {
            list.add(key.description, code)
        }
        if let key = traits.spans.classicRequestIDKey { list.addIfPresent(key.description, Self.textID(subject)) }
        list.addIfPresent("rpc.service", subject.operation.interface)
        if names == .classic { list.add("rpc.method", subject.operation.method) }
    }

    /// OpenTelemetry's names since version 1.39.
    private func current(_ subject: Subject, _ list: inout AttributeList) {
        let operation = subject.operation
        let traits = operation.callProtocol.traits
        list.add("rpc.system.name", traits.spans.system.description)
        if let key = traits.spans.requestIDKey { list.addIfPresent(key.description, Self.textID(subject)) }
        let isBare = operation.interface.isEmpty
        list.add("rpc.method", isBare ? operation.method : "\(operation.interface)/\(operation.method)")
        if traits.codes.haveSuccess || subject.call.code != 0 {
            let name = ResultCode.name(of: subject.call.code, in: operation.callProtocol)
            list.addIfPresent("rpc.response.status_code", name)
        }
    }

    /// The request's id as text: a string without its quotes, where nothing in it is escaped.
    private static func textID(_ subject: Subject) -> String? {
        guard subject.facts.marks.contains(.hasTextID) else { return String(subject.facts.requestID) }
        let text = subject.texts.requestID
        guard text.utf8.count >= 2, text.hasPrefix("\""), text.hasSuffix("\""), !text.utf8.contains(0x5c) else {
            return text
        }
        return String(text.dropFirst().dropLast())
    }

    /// Adds the other end of the connection.
    private func ends(_ subject: Subject, _ list: inout AttributeList) {
        guard subject.facts.marks.contains(.hasEnds) else { return }
        let peer = subject.call.side == .provider ? subject.facts.client : subject.facts.server
        list.add("network.peer.address", peer.addressText)
        list.add("network.peer.port", peer.port)
        list.add("network.type", peer.isIPv6 ? "ipv6" : "ipv4")
        list.add("network.transport", "tcp")
    }

    /// Adds Dubbo's own attributes of a call, in any protocol, and those of the call's own protocol.
    private func dubbo(_ subject: Subject, _ list: inout AttributeList) {
        let hasZeroVersion = subject.facts.marks.contains(.hasZeroVersion)
        list.addIfPresent(
            "dubbo.version",
            hasZeroVersion ? Operation.zeroVersion.description : subject.operation.version
        )
        list.addIfPresent("dubbo.group", subject.operation.group)
        let spans = subject.operation.callProtocol.traits.spans
        if let key = spans.requestNumberKey { list.add(key.description, subject.facts.requestID) }
        if let key = spans.codeKey, subject.call.code != ResultCode.none {
            list.add(key.description, subject.call.code)
        }
        if subject.facts.serialization != SpanFacts.noSerialization {
            list.add("dubbo.serialization", Self.serialization(subject.facts.serialization))
        }
        if subject.facts.marks.contains(.isGeneric) { list.add("dubbo.generic", true) }
        for attachment in subject.texts.attachments where attachment.number < attachments.count {
            list.add("dubbo.attachment.\(attachments[attachment.number])", attachment.value)
        }
    }

    /// The name of a serialization, or its number.
    ///
    /// Source: Dubbo `Constants.java`.
    private static func serialization(_ id: UInt8) -> String {
        switch id {
        case 2: "hessian2"
        case 3: "java"
        case 4: "compactedjava"
        case 6: "fastjson"
        case 7: "nativejava"
        case 8: "kryo"
        case 9: "fst"
        case 10: "native-hessian"
        case 11: "avro"
        case 12: "protostuff"
        case 16: "gson"
        case 18: "jackson"
        case 21: "protobuf-json"
        case 22: "protobuf"
        case 23: "fastjson2"
        case 25: "kryo2"
        case 27: "msgpack"
        case 28: "fury"
        default: String(id)
        }
    }

    /// Adds the contexts whose ids cannot be a W3C trace's.
    private func otherContexts(_ texts: KnownTexts, _ list: inout AttributeList) {
        list.addIfPresent("seata.xid", texts.transaction)
        list.addIfPresent("sw8", texts.sw8)
        list.addIfPresent("sw8.trace_id", SkyWalkingContext.traceID(texts.sw8))
        list.addIfPresent("eagleeye.trace_id", texts.eagleEyeTraceID)
        list.addIfPresent("eagleeye.rpc_id", texts.eagleEyeRPCID)
    }

    /// Adds the attributes that only Weir knows.
    private func own(_ subject: Subject, _ list: inout AttributeList) {
        let facts = subject.facts
        list.add("weir.outcome", "\(subject.call.outcome.label)")
        list.addIfPresent("weir.caller", subject.texts.caller)
        list.add("weir.request.bytes", subject.call.requestBytes)
        list.add("weir.response.bytes", subject.call.responseBytes)
        Self.addSeconds("weir.time.request_transfer", from: subject.call.startNanoseconds, to: facts.requestEnd, &list)
        Self.addSeconds("weir.time.service", from: facts.requestEnd, to: facts.replyStart, &list)
        Self.addSeconds("weir.time.response_transfer", from: facts.replyStart, to: subject.end, &list)
        if facts.behindBytes > 0 { list.add("weir.behind_bytes", facts.behindBytes) }
        if facts.marks.contains(.isStream) || facts.streamedRequests > 0 {
            list.add("weir.stream.requests", facts.streamedRequests)
            list.add("weir.stream.responses", facts.streamedResponses)
        }
        if facts.marks.contains(.isKept) { list.add("weir.kept", true) }
        if facts.marks.contains(.isInjected) { list.add("weir.injected", true) }
    }

    /// The time between two moments, in seconds, if both are known.
    private static func addSeconds(_ key: String, from: UInt64, to: UInt64, _ list: inout AttributeList) {
        guard from != 0, to >= from else { return }
        list.add(key, Double(to - from) / 1_000_000_000)
    }
}
