internal import Glibc
internal import Synchronization

/// The state that goes with a process's sockets: texts, and descriptors of memory that both processes use.
///
/// Descriptors belong to it until they are taken, and are closed with it.
public final class TakeoverState: Sendable {
    /// The most descriptors.
    public static let maxDescriptors = 320
    /// The most texts; each has 16 MiB at most.
    public static let maxTexts = 8

    /// The texts, by a word of the owner's without blanks.
    public let texts: [String: [UInt8]]
    private let descriptors: Mutex<[Int32]>

    /// A state of those texts and of duplicates of those descriptors.
    ///
    /// - Parameters:
    ///   - texts: At most ``maxTexts``.
    ///   - descriptors: At most ``maxDescriptors``; they stay their owner's.
    public convenience init(texts: [String: [UInt8]] = [:], duplicating descriptors: [Int32] = []) {
        self.init(texts: texts, owning: descriptors.map { Linux.duplicate($0) }.filter { $0 >= 0 })
    }

    init(texts: [String: [UInt8]], owning descriptors: [Int32]) {
        self.texts = texts
        self.descriptors = Mutex(descriptors)
    }

    deinit { for descriptor in takeDescriptors() { Linux.close(descriptor) } }

    /// The descriptors, which are the caller's from now on.
    public func takeDescriptors() -> [Int32] {
        descriptors.withLock { descriptors in
            defer { descriptors = [] }
            return descriptors
        }
    }

    /// True if there are descriptors to take.
    public var hasDescriptors: Bool { descriptors.withLock { !$0.isEmpty } }
}

extension TakeoverChannel {
    private static let memory = "memory"
    private static let end = "end"

    /// Sends a state.
    func send(_ state: TakeoverState, milliseconds: Int32) throws(TakeoverError) {
        let descriptors = state.takeDescriptors()
        defer { for descriptor in descriptors { Linux.close(descriptor) } }
        var rest = descriptors[...]
        repeat {
            let some = rest.prefix(Linux.maxDescriptorsPerMessage)
            rest = rest.dropFirst(some.count)
            try send("\(Self.memory) \(some.count) \(rest.count)", Array(some), milliseconds: milliseconds)
        } while !rest.isEmpty
        for (word, body) in state.texts {
            let message = TakeoverMessage(kind: .state, number: 0, word: word, body: body)
            for offset in stride(from: 0, to: max(1, body.count), by: TakeoverPacket.maxPayloadBytes) {
                try send(message.packet(at: offset), milliseconds: milliseconds)
            }
        }
        let end = TakeoverMessage(kind: .state, number: 0, word: Self.end, body: [])
        try send(end.packet(at: 0), milliseconds: milliseconds)
    }

    /// Receives a state.
    func receiveState(milliseconds: Int32) throws(TakeoverError) -> TakeoverState {
        let memory = TakeoverState(texts: [:], owning: try receiveMemory(milliseconds))
        var texts: [String: [UInt8]] = [:]
        while true {
            let message = try receiveText(milliseconds)
            if message.word == Self.end { break }
            guard texts.count < TakeoverState.maxTexts, texts[message.word] == nil else { throw .protocolViolation }
            texts[message.word] = message.body
        }
        return TakeoverState(texts: texts, owning: memory.takeDescriptors())
    }

    private func receiveMemory(_ milliseconds: Int32) throws(TakeoverError) -> [Int32] {
        var descriptors: [Int32] = []
        var toCome = 1
        while toCome > 0 {
            let message: Message
            do throws(TakeoverError) {
                message = try receive(milliseconds: milliseconds)
            } catch {
                for descriptor in descriptors { Linux.close(descriptor) }
                throw error
            }
            descriptors += message.descriptors
            let words = message.text.split(separator: " ")
            guard words.count == 3, words[0] == Self.memory, Int(words[1]) == message.descriptors.count,
                let rest = Int(words[2]), 0...TakeoverState.maxDescriptors ~= rest,
                rest + descriptors.count <= TakeoverState.maxDescriptors,
                rest == 0 || !message.descriptors.isEmpty
            else {
                for descriptor in descriptors { Linux.close(descriptor) }
                throw .protocolViolation
            }
            toCome = rest
        }
        return descriptors
    }

    private func receiveText(_ milliseconds: Int32) throws(TakeoverError) -> TakeoverMessage {
        var message: TakeoverMessage?
        while true {
            let limit = TakeoverPacket.maxHeadBytes + TakeoverPacket.maxPayloadBytes
            let received = try receive(milliseconds: milliseconds, limit: limit)
            received.closeDescriptors()
            guard received.descriptors.isEmpty, let packet = TakeoverPacket(received.bytes), packet.kind == .state
            else {
                throw .protocolViolation
            }
            var whole =
                message ?? TakeoverMessage(kind: .state, number: packet.number, word: packet.word, body: [])
            guard whole.add(packet) else { throw .protocolViolation }
            if whole.body.count == packet.totalBytes { return whole }
            message = whole
        }
    }
}
