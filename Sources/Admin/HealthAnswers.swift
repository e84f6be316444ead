internal import NIOCore

/// The answers to probes, on every listener.
struct HealthAnswers: Sendable {
    /// The probes.
    enum Probe: String {
        /// True if the process is to be restarted.
        case health = "/healthz"
        /// True if traffic may be sent here.
        case readiness = "/readyz"
    }

    /// A status and a line.
    struct Answer: Error, Equatable {
        var status: Int
        var text: String
    }

    let backend: any AdminBackend
    let upstream: UpstreamCheck
    /// True if a stuck worker is a reason to restart the process.
    let stuckFailsHealth: Bool

    /// Answers a probe.
    ///
    /// - Parameters:
    ///   - probe: The probe.
    ///   - query: The query of the URI, without its question mark.
    ///   - loop: On which the answer is given.
    /// - Returns: The answer, at once or when the application has been asked.
    func answer(_ probe: Probe, query: String, _ loop: any EventLoop) -> EventLoopFuture<Answer> {
        switch probe {
        case .health:
            let isStuck = stuckFailsHealth && backend.stuckWorkers > 0
            let answer = isStuck ? Answer(status: 500, text: "a worker is stuck\n") : Answer(status: 200, text: "ok\n")
            return loop.makeSucceededFuture(answer)
        case .readiness:
            let port: Int?
            do throws(Answer) {
                port = try self.port(query)
            } catch {
                return loop.makeSucceededFuture(error)
            }
            guard backend.isReady else { return loop.makeSucceededFuture(Answer(status: 503, text: "not ready\n")) }
            let ready = Answer(status: 200, text: "ready\n")
            guard let port else { return loop.makeSucceededFuture(ready) }
            return upstream.isReachable(port, loop).map { isReachable in
                isReachable ? ready : Answer(status: 503, text: "\(port) does not accept connections\n")
            }
        }
    }

    /// The port that the parameter `upstream` names, if it is there.
    private func port(_ query: String) throws(Answer) -> Int? {
        let values: [String]
        do throws(CallStreamError) {
            values = try QueryParameters.read(query).filter { $0.name == "upstream" }.map(\.value)
        } catch {
            throw Answer(status: 400, text: "no query\n")
        }
        guard let value = values.first else { return nil }
        let isNumber = 1...5 ~= value.utf8.count && value.utf8.allSatisfy { 0x30...0x39 ~= $0 }
        guard values.count == 1, isNumber, let port = Int(value), 1...65_535 ~= port else {
            throw Answer(status: 400, text: "upstream takes one port\n")
        }
        guard upstream.knows(port) else { throw Answer(status: 404, text: "not one of provider.ports\n") }
        return port
    }
}
