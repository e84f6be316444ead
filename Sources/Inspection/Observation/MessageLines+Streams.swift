internal import Calls

extension MessageLines {
    /// Writes the line of a stream's request.
    public func streamRequest(_ half: ObservedStreamHalf, on connection: ObservedConnection) {
        begin("triple", isRequest: true, going: half.direction, start: half.start, on: connection)
        json.key("stream_id")
        json.number(half.streamID)
        text("interface", half.interface)
        text("method", half.method)
        text("version", half.version)
        text("group", half.group)
        json.key("attachments")
        json.beginObject()
        for (name, value) in half.attachments { attachment(name) { value } }
        json.endObject()
        messages(half.messageBytes)
        end()
    }

    /// Writes the line of a stream's reply.
    public func streamResponse(_ half: ObservedStreamHalf, on connection: ObservedConnection) {
        begin("triple", isRequest: false, going: half.direction, start: half.start, on: connection)
        json.key("stream_id")
        json.number(half.streamID)
        text("grpc_status", half.grpcStatus)
        text("grpc_message", half.grpcMessage)
        json.key("trailers_only")
        json.bool(half.isTrailersOnly)
        messages(half.messageBytes)
        end()
    }

    /// Writes the line of a JSON-RPC message.
    public func rpc(_ message: ObservedRPC, on connection: ObservedConnection) {
        begin("jsonrpc", isRequest: message.isRequest, going: message.direction, start: message.start, on: connection)
        json.key("rpc")
        if message.isBatch { json.beginArray() }
        for member in message.members {
            json.beginObject()
            json.key("id")
            // A null id and none differ: the latter asks for no reply.
            if let id = member.id { json.raw(id) } else { json.string(literal: "<absent>") }
            text("method", member.method)
            json.key("error_code")
            if let code = member.errorCode { json.number(code) } else { json.null() }
            json.endObject()
        }
        if message.isBatch { json.endArray() }
        end()
    }

    private func text(_ name: StaticString, _ value: String?) {
        json.key(name)
        if let value { json.string(value) } else { json.null() }
    }

    private func messages(_ lengths: [UInt64]) {
        json.key("grpc_messages")
        json.beginArray()
        for length in lengths { json.number(length) }
        json.endArray()
    }
}
