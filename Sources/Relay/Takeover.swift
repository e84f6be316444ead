internal import Glibc

/// The new process's part: it gets the listening sockets of the running one, and says when it accepts on them.
///
/// Connections that wait in a listening socket wait there still, whichever process accepts them. Until ``confirm()``
/// the running process goes on as before; if the new one dies or gives up, nothing has happened.
///
/// The calls wait for the other process, some seconds at most.
public final class Takeover: Sendable {
    /// The longest wait for an answer of the running process, in milliseconds.
    public static let answerMilliseconds: Int32 = 5000

    /// The sockets that the running process listens on.
    public let sockets: [ListeningSocket]
    /// The state that comes with them; `nil` from a process of version 1.
    public let state: TakeoverState?
    private let channel: TakeoverChannel
    private let name: String

    /// Asks the running process for its sockets.
    ///
    /// - Parameter port: The port of the first relay listener, by which the processes find each other.
    /// - Returns: `nil` when no process can be taken over from.
    /// - Throws: ``TakeoverError`` when there is one and it does not come to an agreement; it goes on.
    public static func begin(port: UInt16) throws(TakeoverError) -> Takeover? {
        let name = TakeoverWords.name(port)
        do throws(TakeoverError) {
            return try begin(name, hello: TakeoverWords.hello)
        } catch .refused(TakeoverWords.wrongVersion) {
            return try begin(name, hello: TakeoverWords.helloOfVersion1)
        }
    }

    /// Asks the process that can be taken over from for its state.
    ///
    /// - Parameter port: The port of the first relay listener, by which the processes find each other.
    /// - Returns: `nil` when there is no such process.
    /// - Throws: ``TakeoverError`` when it gives none.
    public static func state(port: UInt16) throws(TakeoverError) -> TakeoverState? {
        let descriptor = Linux.localConnect(TakeoverWords.name(port))
        if descriptor == -ECONNREFUSED { return nil }
        guard descriptor >= 0 else { throw .system(Linux.message(descriptor)) }
        let channel = TakeoverChannel(owning: descriptor)
        try channel.checkPeer()
        try channel.send(TakeoverWords.stateHello, milliseconds: answerMilliseconds)
        return try channel.receiveState(milliseconds: answerMilliseconds)
    }

    private static func begin(_ name: String, hello: String) throws(TakeoverError) -> Takeover? {
        let descriptor = Linux.localConnect(name)
        if descriptor == -ECONNREFUSED { return nil }
        guard descriptor >= 0 else { throw .system(Linux.message(descriptor)) }
        let channel = TakeoverChannel(owning: descriptor)
        // A process that took the name could hand over sockets that are not what they seem.
        try channel.checkPeer()
        try channel.send(hello, milliseconds: answerMilliseconds)
        var sockets: [ListeningSocket] = []
        var toCome = 1
        while toCome > 0 {
            let received = try TakeoverWords.sockets(channel.receive(milliseconds: answerMilliseconds))
            sockets += received.sockets
            guard sockets.count <= TakeoverWords.maxSockets else { throw .protocolViolation }
            toCome = received.1
        }
        let isFull = hello == TakeoverWords.hello
        let state = isFull ? try channel.receiveState(milliseconds: answerMilliseconds) : nil
        return Takeover(sockets, state: state, channel: channel, name: name)
    }

    private init(
        _ sockets: [ListeningSocket],
        state: TakeoverState?,
        channel: consuming TakeoverChannel,
        name: String
    ) {
        self.sockets = sockets
        self.state = state
        self.channel = channel
        self.name = name
    }

    /// Closes the sockets that were not taken, and has the running process give up the name.
    ///
    /// To be called once, when workers accept on the sockets. Afterwards the name is free for this process's own
    /// ``TakeoverServer``; the running process stops accepting upon ``confirm()``, and goes on if this one ends before.
    ///
    /// - Throws: ``TakeoverError`` when the running process goes on; this one had better end.
    public func finish() throws(TakeoverError) {
        for socket in sockets { socket.close() }
        do throws(TakeoverError) {
            try channel.send(TakeoverWords.ready, milliseconds: Self.answerMilliseconds)
            try channel.receive(TakeoverWords.bye, milliseconds: Self.answerMilliseconds)
        } catch {
            // A process that died instead of answering does not go on.
            guard error == .ended, isNameFree else { throw error }
        }
    }

    /// Has the other process stop accepting: this one serves in its place, and can be taken over from.
    public func confirm() {
        // A process that is gone accepts nothing any more.
        try? channel.send(TakeoverWords.done, milliseconds: Self.answerMilliseconds)
    }

    /// True if nobody waits under the name, at least soon: a process that ends closes one thing after the other.
    private var isNameFree: Bool {
        for _ in 0..<20 {
            let descriptor = Linux.localConnect(name)
            if descriptor == -ECONNREFUSED { return true }
            guard descriptor >= 0 else { return false }
            Linux.close(descriptor)
            usleep(10_000)
        }
        return false
    }
}
