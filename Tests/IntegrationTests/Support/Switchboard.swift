import Foundation
import Synchronization

/// An upstream of many protocols: it hands each connection on to the server for what it begins with.
final class Switchboard: Sendable {
    let address: Address
    private let isStopped = Atomic<Bool>(false)
    private let isCutting: Bool
    private let choose: @Sendable ([UInt8]) -> Address

    /// A switchboard that asks by a connection's first three bytes where it goes, and may cut what it passes into
    /// pieces of random size.
    init(cutting isCutting: Bool = false, _ choose: @escaping @Sendable ([UInt8]) -> Address) throws {
        let listener = try Listener()
        address = listener.address
        self.choose = choose
        self.isCutting = isCutting
        Thread.detachNewThread { [self] in
            while !isStopped.load(ordering: .relaxed) {
                guard let caller = try? listener.accept(within: 0.1) else { continue }
                Thread.detachNewThread { [self] in try? connect(caller) }
            }
        }
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    private func connect(_ caller: Connection) throws {
        let first = try caller.read(3)
        let server = try Connection(to: choose(first))
        try write(first, to: server)
        Thread.detachNewThread { [self] in pass(from: server, to: caller) }
        pass(from: caller, to: server)
    }

    /// Passes one direction on to its end.
    private func pass(from source: Connection, to target: Connection) {
        var end: Connection.End?
        while end == nil, source.isReady(POLLIN, milliseconds: 60_000) {
            var bytes: [UInt8] = []
            do {
                end = try source.readSome(into: &bytes)
                try write(bytes, to: target)
            } catch {
                end = .reset
            }
        }
        target.finish()
    }

    private func write(_ bytes: [UInt8], to target: Connection) throws {
        guard isCutting else { return try target.write(bytes) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Int.random(in: 1...(Int.random(in: 0..<4) == 0 ? 20_000 : 40))
            try target.write(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
    }
}
