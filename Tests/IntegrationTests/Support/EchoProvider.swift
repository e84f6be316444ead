import Foundation
import Synchronization

/// A Dubbo provider on a thread of its own that answers every call at once.
final class EchoProvider: Sendable {
    let address: Address
    private let isStopped = Atomic<Bool>(false)
    /// Whom it accepted connections from, and at which of its addresses.
    private let accepted = Mutex<[(peer: Address, local: Address)]>([])

    /// A provider at that listener.
    init(_ listener: Listener) {
        address = listener.address
        Thread.detachNewThread { [self] in serve(listener) }
    }

    convenience init() throws { self.init(try Listener()) }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    var connections: [(peer: Address, local: Address)] { accepted.withLock { $0 } }

    private func serve(_ listener: Listener) {
        var open: [(connection: Connection, bytes: [UInt8])] = []
        while !isStopped.load(ordering: .relaxed) {
            var waits = [pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0)]
            waits += open.map { pollfd(fd: $0.connection.descriptor, events: Int16(POLLIN), revents: 0) }
            guard poll(&waits, UInt(waits.count), 20) > 0 else { continue }
            for index in open.indices.reversed() where waits[index + 1].revents != 0 {
                if !answer(&open[index]) { open.remove(at: index) }
            }
            if waits[0].revents != 0, let new = try? listener.accept() {
                if let peer = try? new.peer, let local = try? new.local {
                    accepted.withLock { $0.append((peer, local)) }
                }
                open.append((new, []))
            }
        }
    }

    /// Answers what has arrived; whether there may be more.
    private func answer(_ peer: inout (connection: Connection, bytes: [UInt8])) -> Bool {
        do {
            guard try peer.connection.readSome(into: &peer.bytes) == nil else { return false }
            var start = 0
            for end in DubboBytes.frameEnds(peer.bytes) where end <= peer.bytes.count {
                let frame = Array(peer.bytes[start..<end])
                start = end
                if frame[2] & 0x40 != 0 { try peer.connection.write(DubboBytes.reply(DubboBytes.id(frame))) }
            }
            peer.bytes.removeFirst(start)
            return true
        } catch {
            return false
        }
    }
}
