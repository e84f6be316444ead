internal import ArgumentParser
internal import HTTP1
internal import Settings
internal import Wire

/// The address of a running Weir's admin API, for commands that ask it.
struct AdminOptions: ParsableArguments {
    @Option(help: "HOST:PORT of its admin API (default localhost:16080).")
    var admin: String?

    @Option(name: .shortAndLong, help: "Its configuration file, which says where the admin API is.")
    var config: String?

    func validate() throws {
        if let admin { _ = try Self.address(admin) }
    }

    /// The address, of the flag or of the settings.
    func address() throws -> NetworkAddress {
        if let admin { return try Self.address(admin) }
        return try settings().admin.listen
    }

    /// The settings that the file and the environment make.
    func settings() throws -> WeirSettings {
        try SettingsOptions.parse(config.map { ["--config", $0] } ?? []).load()
    }

    private static func address(_ text: String) throws -> NetworkAddress {
        guard let address = NetworkAddress(text), address.port != 0 else {
            throw ValidationError("--admin takes HOST:PORT")
        }
        return address
    }
}

/// One request of the admin API and its answer.
struct AdminCall {
    /// The longest answer, in bytes.
    private static let maxAnswerBytes = 64 << 20
    private static let answerSeconds = 20

    var method: String
    var path: String
    var parameters: [(name: String, value: String)] = []
    /// The token that a change carries, if it needs one.
    var token: String?

    /// Asks.
    ///
    /// - Returns: The answer's body.
    /// - Throws: ``TapProblem`` when the answer is a refusal, or none.
    func send(to address: NetworkAddress) throws(TapProblem) -> [UInt8] {
        let socket = try TapSocket(to: address)
        let query = parameters.isEmpty ? "" : "?" + Self.query(parameters)
        let authorization = token.map { "Authorization: Bearer \($0)\r\n" } ?? ""
        let head = "\(method) \(path)\(query) HTTP/1.1\r\nHost: \(address)\r\n\(authorization)"
        guard socket.write(Array("\(head)Content-Length: 0\r\nConnection: close\r\n\r\n".utf8)) else {
            throw .broken("the connection was closed")
        }
        socket.setPatience(seconds: Self.answerSeconds)
        var reader = HTTP1Reader(.responses)
        var answer = AdminAnswerBytes()
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while !answer.isComplete {
            let count = try socket.read(into: &chunk)
            guard count > 0 else {
                guard reader.end(into: &answer) == .message else { throw .broken("the connection was lost") }
                break
            }
            try answer.take(chunk, count: count, reader: &reader)
            guard answer.body.count <= Self.maxAnswerBytes else { throw .broken("an answer without end") }
        }
        guard answer.status == 200 else {
            throw .refused(status: answer.status, TapLine(answer.body)?["error"] ?? "")
        }
        return answer.body
    }

    /// Names and values as a URI's query.
    static func query(_ parameters: [(name: String, value: String)]) -> String {
        parameters.map { $0.name + "=" + percentEncoded($0.value) }.joined(separator: "&")
    }

    private static func percentEncoded(_ text: String) -> String {
        text.utf8.reduce(into: "") { result, byte in
            let character = Character(Unicode.Scalar(byte))
            if character.isASCII, character.isLetter || character.isNumber || "-._~*,".contains(character) {
                result.append(character)
            } else {
                result += "%" + String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
            }
        }
    }
}

/// The part of an answer that was read.
struct AdminAnswerBytes: HTTP1Sink {
    static func number(ofHeader name: RawSpan) -> UInt8 { NameTable.unwanted }

    var status: UInt16 = 0
    var body: [UInt8] = []
    var isComplete = false

    mutating func statusLine(status: UInt16, reason: RawSpan, version: HTTP1Version) { self.status = status }
    mutating func header(_ id: UInt8, name: RawSpan, value: RawSpan) {}
    mutating func answeredMethod() -> HTTP1Method { .get }
    mutating func headEnded(_ head: HTTP1Head) {}
    mutating func body(_ piece: RawSpan) { body.append(piece) }
    mutating func messageEnded() { isComplete = true }

    /// Takes bytes of the answer.
    mutating func take(_ chunk: [UInt8], count: Int, reader: inout HTTP1Reader) throws(TapProblem) {
        let bytes = chunk.byteSpan.extracting(0..<count)
        var at = 0
        do throws(HTTP1Error) {
            while at < count, !isComplete { _ = try reader.read(bytes, &at, into: &self) }
        } catch {
            throw .broken("what answers does not speak HTTP")
        }
    }
}
