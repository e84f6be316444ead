internal import HTTP1

/// The reason that there are no calls to print.
enum TapProblem: Error, CustomStringConvertible {
    /// Nothing can be reached at the address; the text says why.
    case unreachable(String)
    /// What answers is not Weir's admin API, or the connection broke; the text says how.
    case broken(String)
    /// The admin API refuses; its words.
    case refused(status: UInt16, String)

    /// True if the question was wrong.
    var isOurs: Bool {
        if case .refused(400, _) = self { true } else { false }
    }

    var description: String {
        switch self {
        case .unreachable(let reason): "cannot reach the admin API: \(reason)"
        case .broken(let reason): reason
        case .refused(404, "no such path"): "this admin API cannot do that"
        case .refused(let status, let reason): reason.isEmpty ? "answered \(status)" : reason
        }
    }
}

/// One request of the admin API whose answer has no end: lines as they come.
struct TapStream: ~Copyable {
    /// The longest line, in bytes; one of ours is far shorter.
    private static let maxLineBytes = 1 << 20
    /// The longest wait for the beginning of the answer.
    private static let answerSeconds = 10

    private let socket: TapSocket
    private var reader = HTTP1Reader(.responses)
    private var answer = AdminAnswerBytes()

    init(over socket: consuming TapSocket) { self.socket = socket }

    /// Asks, and gives the lines to `output` until one side has had enough.
    ///
    /// - Throws: ``TapProblem`` when the answer is a refusal or does not end as it should.
    mutating func read(
        _ target: String,
        host: String,
        token: String? = nil,
        into output: TapOutput
    ) throws(TapProblem) {
        let lines = ["GET \(target) HTTP/1.1", "Host: \(host)", "Accept: application/x-ndjson"]
        let authorization = token.map { ["Authorization: Bearer \($0)"] } ?? []
        let request = (lines + authorization + ["", ""]).joined(separator: "\r\n")
        guard socket.write(Array(request.utf8)) else { throw .broken("the connection was closed") }
        socket.setPatience(seconds: Self.answerSeconds)
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while !answer.isComplete {
            let count = try socket.read(into: &chunk)
            if count == 0 {
                guard reader.end(into: &answer) == .message else {
                    throw .broken(answer.status == 0 ? "no HTTP answer" : "the connection was lost")
                }
            } else {
                try answer.take(chunk, count: count, reader: &reader)
                if answer.status != 200, answer.body.count > Self.maxLineBytes {
                    throw .broken("answered \(answer.status)")
                }
            }
            guard answer.status == 200 else { continue }
            if !output.hasBegun {
                output.begin()
                // From now on a pause means that there are no calls.
                socket.setPatience(seconds: 0)
            }
            guard output.write(linesOf: &answer.body) else { return }
            guard answer.body.count <= Self.maxLineBytes else { throw .broken("a line without end") }
        }
        guard answer.status == 200 else {
            throw .refused(status: answer.status, TapLine(answer.body)?["error"] ?? "")
        }
    }
}
