internal import Calls
internal import Glibc
internal import Wire

/// The reason that a takeover failed.
public enum TakeoverError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The process at the other end belongs to another user.
    case foreignPeer(user: UInt32)
    /// The other process does not want to; the word is its reason.
    case refused(String)
    /// The other process said what the protocol does not allow.
    case protocolViolation
    /// The other process was silent for too long.
    case timedOut
    /// The other process has gone.
    case ended
    /// This process was told to stop meanwhile.
    case stopped
    /// There is no one to whom so many sockets could be given.
    case tooManySockets(Int)
    /// The system refused something; the text is its own.
    case system(String)

    /// The error in one line.
    public var description: String {
        switch self {
        case .foreignPeer(let user): "the other process belongs to user \(user)"
        case .refused(let reason): "the other process refuses: \(reason)"
        case .protocolViolation: "the other process said what takeover does not know"
        case .timedOut: "the other process does not answer"
        case .ended: "the other process hung up, as it does upon another user's"
        case .stopped: "this process was told to stop"
        case .tooManySockets(let count): "there are \(count) sockets, which is too many"
        case .system(let reason): reason
        }
    }
}

/// The words of takeover, version 2.
///
/// Each message is one packet of an abstract local socket, lines of words, and may carry descriptors:
///
///     successor     weir-takeover 2
///     predecessor   sockets 2 0                       so many with this message, so many still to come
///                   relay provider 127.0.0.1:16006
///                   admin 127.0.0.1:16080
///                   memory 3 0                        descriptors of what both go on with, as the owner knows
///                   state 0 limits 131072 0           a text: what it is, bytes of all of it, bytes before these
///                   state 0 limits 131072 65536
///                   state 0 end 0 0                   all has been said
///     successor     ready                             it accepts on them
///     predecessor   bye                               the name is free
///     successor     done                              it has the name: from now on the other accepts nothing more
///
/// Who says `weir-state 1` instead gets memory and state, and no more: one that was taken over from, after a change.
///
/// Version 1 has neither memory nor state, and says nothing after `bye`; a successor that is refused for its version
/// says `weir-takeover 1`. Instead of sockets a predecessor may answer `refused` and a reason. What it says afterwards,
/// as a process that reports, is listed at ``TakeoverPacket``.
enum TakeoverWords {
    static let hello = "weir-takeover 2"
    /// The message of a process that hands over sockets alone, and its answer.
    static let helloOfVersion1 = "weir-takeover 1"
    static let wrongVersion = "version"
    /// The message of a process that wants the present state only.
    static let stateHello = "weir-state 1"
    static let ready = "ready"
    static let bye = "bye"
    static let done = "done"
    static let refused = "refused"
    static let sockets = "sockets"
    static let maxSockets = 256
    /// The longest line is one socket's: two words and an address.
    static let maxMessageBytes = (Linux.maxDescriptorsPerMessage + 1) * 96

    /// The name of the socket, which the network namespace has once.
    static func name(_ port: UInt16) -> String { "weir-takeover-\(port)" }

    /// A message that hands over some sockets.
    static func text(_ sockets: some Collection<ListeningSocket>, toCome: Int) -> String {
        var text = "\(Self.sockets) \(sockets.count) \(toCome)"
        for socket in sockets { text += "\n\(word(socket.kind)) \(socket.address)" }
        return text
    }

    /// The sockets of such a message, and how many are still to come.
    ///
    /// What a socket is said to be is compared with what it is; when anything is wrong, all are closed.
    static func sockets(_ message: TakeoverChannel.Message) throws(TakeoverError) -> (sockets: [ListeningSocket], Int) {
        let lines = message.text.split(separator: "\n", omittingEmptySubsequences: false)
        let head = lines[0].split(separator: " ")
        guard
            head.count == 3,
            head[0] == sockets,
            let count = Int(head[1]),
            let toCome = Int(head[2]),
            count > 0,
            count == message.descriptors.count,
            count == lines.count - 1,
            0...maxSockets ~= toCome
        else {
            message.closeDescriptors()
            if head.count == 2, head[0] == refused { throw .refused(String(head[1].prefix(64))) }
            throw .protocolViolation
        }
        // Each is somebody's before the first is looked at, so that none is left over.
        let made = zip(lines.dropFirst(), message.descriptors).map { line, descriptor in
            socket(descriptor, line.split(separator: " ", maxSplits: 3))
        }
        let sockets = made.compactMap { $0 }
        guard sockets.count == count else { throw .protocolViolation }
        return (sockets, toCome)
    }

    private static func socket(_ descriptor: Int32, _ words: [Substring]) -> ListeningSocket? {
        let kind: ListeningSocket.Kind? =
            switch words.dropLast().joined(separator: " ") {
            case "relay provider": .relay(.provider)
            case "relay consumer": .relay(.consumer)
            case "admin": .admin
            case "metrics": .metrics
            case "probes": .probes
            default: nil
            }
        guard let kind else {
            Linux.close(descriptor)
            return nil
        }
        guard let socket = ListeningSocket(owning: descriptor, kind: kind) else { return nil }
        return words.last.map(String.init) == socket.address.description ? socket : nil
    }

    private static func word(_ kind: ListeningSocket.Kind) -> String {
        switch kind {
        case .relay(let side): "relay \(side.label)"
        case .admin: "admin"
        case .metrics: "metrics"
        case .probes: "probes"
        }
    }
}

/// One end of a connection between the two processes.
struct TakeoverChannel: ~Copyable {
    /// A packet.
    struct Message {
        let bytes: [UInt8]
        let descriptors: [Int32]
        var text: String { String(decoding: bytes, as: UTF8.self) }

        func closeDescriptors() { for descriptor in descriptors { Linux.close(descriptor) } }
    }

    private let descriptor: Int32
    /// Readable when waiting is to end; -1 for nothing.
    private let stop: Int32

    init(owning descriptor: Int32, stop: Int32 = -1) {
        self.descriptor = descriptor
        self.stop = stop
    }

    deinit { Linux.close(descriptor) }

    /// Takes the other end for another user's, unless that user may do everything anyway.
    func checkPeer() throws(TakeoverError) {
        guard let user = Linux.peerUser(descriptor) else { throw .ended }
        guard user == Linux.effectiveUser || user == 0 else { throw .foreignPeer(user: user) }
    }

    func send(_ text: String, _ descriptors: [Int32] = [], milliseconds: Int32) throws(TakeoverError) {
        try send(Array(text.utf8), descriptors, milliseconds: milliseconds)
    }

    func send(_ packet: [UInt8], _ descriptors: [Int32] = [], milliseconds: Int32) throws(TakeoverError) {
        while true {
            try wait(toWrite: true, milliseconds)
            let result = Linux.send(descriptor, bytes: packet, descriptors: descriptors)
            if result >= 0 { return }
            // There may be room, but not for so much.
            guard result == -Int(EAGAIN) else { throw TakeoverError(errno: Int32(clamping: result)) }
        }
    }

    func receive(
        milliseconds: Int32,
        limit: Int = TakeoverWords.maxMessageBytes
    ) throws(TakeoverError) -> Message {
        try wait(toWrite: false, milliseconds)
        let received = Linux.receive(descriptor, limit: limit)
        guard received.result >= 0 else { throw TakeoverError(errno: Int32(clamping: received.result)) }
        let message = Message(bytes: received.bytes, descriptors: received.descriptors)
        guard received.result > 0 else {
            message.closeDescriptors()
            throw .ended
        }
        return message
    }

    /// Receives a message that must be this one.
    func receive(_ text: String, milliseconds: Int32) throws(TakeoverError) {
        let message = try receive(milliseconds: milliseconds)
        message.closeDescriptors()
        guard message.text == text, message.descriptors.isEmpty else { throw .protocolViolation }
    }

    private func wait(toWrite: Bool, _ milliseconds: Int32) throws(TakeoverError) {
        switch Linux.wait(descriptor, toWrite: toWrite, stop: stop, milliseconds: milliseconds) {
        case .ready: return
        case .stopped: throw .stopped
        case .timedOut: throw .timedOut
        case .failed(let error): throw TakeoverError(errno: error)
        }
    }

    /// Gives the descriptor away.
    consuming func release() -> Int32 {
        let descriptor = descriptor
        discard self
        return descriptor
    }
}

extension TakeoverError {
    /// The error of a negative system error number.
    init(errno number: Int32) {
        switch -number {
        case EPIPE, ECONNRESET: self = .ended
        case EMSGSIZE: self = .protocolViolation
        default: self = .system(Linux.message(number))
        }
    }
}
