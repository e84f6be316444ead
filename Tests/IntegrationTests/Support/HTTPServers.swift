import Foundation

/// A server of nghttp2's on a port of its own.
final class HTTPServer {
    let address: Address
    private let process: ChildProcess

    private init(_ program: String, _ arguments: (UInt16) -> [String]) throws {
        guard let program = path(ofProgram: program) else { throw Failure("no \(program)") }
        // Neither takes port 0, so another program may be first at a port that was free.
        var last: (any Error)?
        for _ in 0..<5 {
            let address = Address.loopback(try Listener.freePort())
            let process = try ChildProcess([program] + arguments(address.port))
            do {
                try eventually("\(program) listens") {
                    guard process.isRunning() else { throw Failure("\(program): \(process.errorText)") }
                    return (try? Connection(to: address)) != nil
                }
                self.address = address
                self.process = process
                return
            } catch { last = error }
        }
        throw last ?? Failure("\(program) does not start")
    }

    /// `nghttpd`, HTTP/2 only: files of a folder, each with the trailer of a gRPC reply that says OK.
    convenience init(files folder: TemporaryFolder) throws {
        let trailer = ["--trailer", "grpc-status: 0"]
        try self.init("nghttpd") {
            ["--no-tls", "-a", "127.0.0.1", "-m", "2000", "-d", folder.path] + trailer + ["\($0)"]
        }
    }

    /// `nghttpx`, which speaks HTTP/1.1 too and lets it be upgraded, in front of a server.
    convenience init(before server: Address) throws {
        try self.init("nghttpx") {
            [
                "--conf=/dev/null", "--frontend=127.0.0.1,\($0);no-tls", "--workers=1", "--log-level=ERROR",
                "--backend=127.0.0.1,\(server.port);;proto=h2;no-tls",
            ]
        }
    }
}

/// What `h2load` says at its end.
struct LoadReport: Equatable, CustomStringConvertible {
    /// The number in front of each word: `total`, `succeeded`, `failed`, `errored`, `2xx`, `4xx`, and so on.
    let numbers: [String: Int]
    /// Bytes of the bodies.
    let dataBytes: Int

    var description: String { "\(numbers.sorted { $0.key < $1.key }), \(dataBytes) bytes" }

    /// Runs it to its end.
    init(_ arguments: [String]) throws {
        let run = try ChildProcess.run(["h2load"] + arguments, within: 2400)
        guard run.end == .exited(0) else { throw Failure("h2load: \(run.errorText)") }
        var numbers: [String: Int] = [:]
        var dataBytes = 0
        for line in run.outputText.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, ["requests", "status codes", "traffic"].contains(parts[0]) else { continue }
            let items = parts[1].split(separator: ",")
            for item in items where parts[0] != "traffic" {
                let words = item.split(separator: " ")
                if words.count == 2, let number = Int(words[0]) { numbers[String(words[1])] = number }
            }
            // `68.00MB (71300000) data`
            guard parts[0] == "traffic", let data = items.last(where: { $0.hasSuffix("data") }) else { continue }
            dataBytes = Int(data.drop { $0 != "(" }.dropFirst().prefix { $0.isNumber }) ?? 0
        }
        guard numbers["total"] != nil, dataBytes > 0 else { throw Failure("h2load said: \(run.outputText)") }
        self.numbers = numbers
        self.dataBytes = dataBytes
    }
}
