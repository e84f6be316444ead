internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// A command for a Dubbo Java application over its QOS port.
///
/// The form is `GET /COMMAND?NAME=VALUE`; the application looks at the command and the values only. Source:
/// `HttpCommandDecoder.java`, `BaseOffline.java`, `BaseOnline.java`.
public struct ApplicationCommand: Equatable, Sendable {
    /// The longest wait for an answer.
    public static let timeoutSeconds: Int64 = 5
    /// The kept part of an answer, in bytes.
    private static let maxAnswerBytes = 4096

    /// The command: `offline`, `online`.
    public let name: String
    /// With which services: a Java expression that a whole service key `group/interface:version` must fit.
    public let services: String

    /// Removes services from the application's registry, or puts them back.
    ///
    /// - Parameters:
    ///   - interface: The interface's full name, of any version and group; empty for every service.
    ///   - isOffline: True if they are removed.
    public init(interface: String, isOffline: Bool) {
        name = isOffline ? "offline" : "online"
        services = interface.isEmpty ? ".*" : "(.*/)?\\Q\(interface)\\E(:.*)?"
    }

    /// Sends the command.
    ///
    /// - Parameter address: `HOST:PORT`.
    /// - Returns: The application's answer in a line, or the reason why there is none.
    public func send(to address: String) async -> String {
        var request = HTTPClientRequest(url: "http://\(address)/\(name)?service=\(Self.encoded(services))")
        request.headers.add(name: "connection", value: "close")
        do {
            let client = try HTTPTransport.client(
                caFile: nil,
                timeout: .seconds(Self.timeoutSeconds),
                group: .singleton
            )
            defer { client.shutdown { _ in } }
            let response = try await client.execute(request, timeout: .seconds(Self.timeoutSeconds))
            var text: [UInt8] = []
            for try await piece in response.body where text.count < Self.maxAnswerBytes {
                text += piece.readableBytesView.prefix(Self.maxAnswerBytes - text.count)
            }
            let line = Self.line(String(decoding: text, as: UTF8.self))
            return response.status == .ok ? line : "HTTP \(response.status.code): \(line)"
        } catch {
            return "no answer: \(Self.reason(error))"
        }
    }

    private static func reason(_ error: any Error) -> String {
        guard let error = error as? HTTPClientError else { return "the connection was refused or lost" }
        return error == .deadlineExceeded || error == .connectTimeout ? "not in time" : "\(error)"
    }

    /// The text with what is no letter between the words.
    private static func line(_ text: String) -> String {
        text.split { $0.isWhitespace || $0.isNewline }.joined(separator: " ")
    }

    private static func encoded(_ text: String) -> String {
        text.utf8.reduce(into: "") { result, byte in
            let character = Character(Unicode.Scalar(byte))
            if character.isASCII, character.isLetter || character.isNumber || "-._~".contains(character) {
                result.append(character)
            } else {
                let hex = String(byte, radix: 16, uppercase: true)
                result += hex.count == 1 ? "%0\(hex)" : "%\(hex)"
            }
        }
    }
}
