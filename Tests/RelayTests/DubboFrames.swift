import Foundation

/// Dubbo frames, as bytes.
enum DubboFrames {
    /// What one real consumer sent.
    static let requests: [[UInt8]] = load("requests.bin")
    /// What it received.
    static let replies: [[UInt8]] = load("replies.bin")

    private static func load(_ name: String) -> [[UInt8]] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let file = folder.appendingPathComponent("Goldens/dubbo-frames/" + name)
        return split((try? Data(contentsOf: file)).map { [UInt8]($0) } ?? []).frames
    }

    /// The frames in `bytes`, and what is left over.
    static func split(_ bytes: [UInt8]) -> (frames: [[UInt8]], rest: [UInt8]) {
        var frames: [[UInt8]] = []
        var at = 0
        while at + 16 <= bytes.count, bytes[at] == 0xda, bytes[at + 1] == 0xbb {
            let end = at + 16 + bodyBytes(bytes[at...])
            guard end <= bytes.count else { break }
            frames.append(Array(bytes[at..<end]))
            at = end
        }
        return (frames, Array(bytes[at...]))
    }

    static func bodyBytes(_ frame: ArraySlice<UInt8>) -> Int {
        frame.dropFirst(12).prefix(4).reduce(0) { $0 << 8 | Int($1) }
    }

    static func setBodyBytes(_ count: Int, of frame: inout [UInt8]) {
        for place in 0..<4 { frame[12 + place] = UInt8(truncatingIfNeeded: count >> (24 - 8 * place)) }
    }

    static func id(_ frame: [UInt8]) -> UInt64 { frame[4..<12].reduce(0) { $0 << 8 | UInt64($1) } }

    /// A reply frame with that id and body.
    static func reply(_ id: UInt64, status: UInt8, _ body: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = [0xda, 0xbb, 0x02, status]
        frame += (0..<8).map { UInt8(truncatingIfNeeded: id >> (56 - 8 * UInt64($0))) }
        frame += [0, 0, 0, 0]
        setBodyBytes(body.count, of: &frame)
        return frame + body
    }

    /// A two-way call and its reply: a request of the real ones and the reply with its id. Its attachment `timeout` is
    /// renamed, so that on a busy machine the call is not over before the test has looked.
    static let call: (request: [UInt8], reply: [UInt8]) = {
        var request = requests.first { $0[2] == 0xc2 } ?? []
        let reply = replies.first { $0[2] == 0x02 && id($0) == id(request) } ?? []
        let key = Array("\u{7}timeout".utf8)
        if let at = request.indices.first(where: { request[$0...].starts(with: key) }) {
            request[at + key.count - 1] = UInt8(ascii: "x")
        }
        return (request, reply)
    }()
}
