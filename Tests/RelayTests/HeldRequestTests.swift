import Foundation
import Inspection
import Policy
import Relay
import Telemetry
import Testing

extension RelaySocketTests {
    /// Requests that wait for something that their client may not send by itself.
    @Suite("Held requests", .timeLimit(.minutes(1)))
    struct HeldRequestTests {
        private static func frame(_ type: UInt8, _ flags: UInt8, _ id: UInt8, _ payload: [UInt8]) -> [UInt8] {
            [0, 0, UInt8(payload.count), type, flags, 0, 0, 0, id] + payload
        }

        /// The headers of a generic call: POST, http, a path and a content type.
        private static func headers(_ id: UInt8) -> [UInt8] {
            let (path, type) = (Array("/com.x.Shop/$invoke".utf8), Array("application/grpc".utf8))
            let block: [UInt8] = [0x83, 0x86, 0x04, UInt8(path.count)] + path + [0x0f, 0x10, UInt8(type.count)] + type
            return frame(1, 4, id, block)
        }

        @Test("a generic call whose client waits for an answer before it says more passes soon")
        func generic() async throws {
            let listener = try TestListener()
            let limit = LimitDefinition(name: "l", algorithm: .slidingWindow(limit: 100, window: .seconds(1)))
            let limits = LimitRegistry(try LimitSet(definitions: [limit], clock: { 1 }))
            let harness = try Harness(to: listener, drains: DrainRegistry(), limits: limits)
            let (client, server) = try harness.pair(listener)
            let hello = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + Self.frame(4, 0, 0, [])
            try client.write(hello)
            #expect(try server.read(exactly: hello.count) == hello)
            for id: UInt8 in [1, 3] {
                // Nothing else happens on the connection, or in the relay.
                try client.write(Self.headers(id))
                #expect(try server.read(exactly: Self.headers(id).count) == Self.headers(id))
            }
            let partial = await harness.metrics().partialVerdicts.filter { $0.count > 0 }
            #expect(partial.map(\.reason) == [.expect] && partial.map(\.count) == [2])
            client.close()
            server.close()
            await harness.stop()
        }

        @Test("a frame's beginning that no more follows passes, and the connection goes on", arguments: [1, 15, 60])
        func lateFrame(count: Int) async throws {
            let listener = try TestListener()
            let limit = LimitDefinition(name: "l", algorithm: .slidingWindow(limit: 100, window: .seconds(1)))
            let limits = LimitRegistry(try LimitSet(definitions: [limit], clock: { 1 }))
            let harness = try Harness(to: listener, drains: DrainRegistry(), limits: limits)
            let (client, server) = try harness.pair(listener)
            let call = DubboFrames.call
            // Nothing else happens on the connection, or in the relay.
            try client.write(call.request[..<count])
            #expect(try server.read(exactly: count) == Array(call.request[..<count]))
            try client.write(call.request[count...])
            #expect(try server.read(exactly: call.request.count - count) == Array(call.request[count...]))
            try server.write(call.reply)
            #expect(try client.read(exactly: call.reply.count) == call.reply)
            let partial = await harness.metrics().partialVerdicts.filter { $0.count > 0 }
            #expect(partial.map(\.reason) == [.late] && partial.map(\.count) == [1])
            client.close()
            server.close()
            await harness.stop()
        }
    }
}
