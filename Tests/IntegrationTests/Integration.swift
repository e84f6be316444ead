import Foundation
import Testing

/// Tests that start the real `weir` and look at it from outside; one after another, for they share two processors.
@Suite(.serialized) enum Integration {}

/// Why a test cannot go on.
struct Failure: Error, CustomStringConvertible {
    let description: String
    /// The system's error number, if a call to it failed.
    let number: Int32?

    init(_ description: String) {
        self.description = description
        number = nil
    }

    /// A system call failed.
    init(call: String, _ number: Int32 = errno) {
        description = "\(call): \(String(cString: strerror(number)))"
        self.number = number
    }
}

/// How long something is waited for that should come soon, in seconds: a guard against hanging, not an expectation, for
/// a machine may be slow and busy.
let patience: Double = 120

/// Asks again and again, for at most `seconds`, until `answer` is there.
func eventually<Answer>(_ what: String, within seconds: Double = patience, _ answer: () throws -> Answer?) throws
    -> Answer
{
    let deadline = ContinuousClock.now + .seconds(seconds)
    while true {
        // It looks once more when the time is over: a short sleep may last long while others have the processors.
        let isLast = ContinuousClock.now >= deadline
        if let answer = try answer() { return answer }
        guard !isLast else { throw Failure("not within \(seconds) s: \(what)") }
        usleep(5_000)
    }
}

/// As above, for a condition.
func eventually(_ what: String, within seconds: Double = patience, isTrue condition: () throws -> Bool) throws {
    let _: Void = try eventually(what, within: seconds) { try condition() ? () : nil }
}

/// A folder that goes away with its owner.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array((NSTemporaryDirectory() + "/weir-it-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure(call: "mkdtemp") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A file of that content; its path.
    func file(_ name: String, _ content: [UInt8] = []) throws -> String {
        let file = path + "/" + name
        try Data(content).write(to: URL(fileURLWithPath: file))
        return file
    }

    func file(_ name: String, text: String) throws -> String { try file(name, Array(text.utf8)) }
}
