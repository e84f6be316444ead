import Clocks
import Dubbo

@testable import Demo

/// A bare connection that sends bytes and reads frames, to test the demo's peers one by one.
final class Peer {
    let socket: DemoSocket
    private var frames = FrameBuffer()
    private var buffer = [UInt8](repeating: 0, count: 4096)

    init(_ socket: DemoSocket) { self.socket = socket }

    convenience init?(port: UInt16) {
        guard let socket = DemoSocket.connect(to: "127.0.0.1", port: port, milliseconds: 1000) else { return nil }
        self.init(socket)
    }

    /// The next frame; `nil` when the connection has ended.
    func next() throws -> DemoFrame? {
        while true {
            if let frame = try frames.next() { return frame }
            let count = socket.read(into: &buffer)
            if count == 0 { return nil }
            frames.append(buffer[..<count])
        }
    }
}

/// Whether `condition` comes true within `seconds`.
func comesTrue(within seconds: UInt64 = 120, _ condition: () -> Bool) -> Bool {
    let end = SystemClock.now() + seconds * 1_000_000_000
    let pause = DemoBell()
    while !condition() {
        if SystemClock.now() > end { return false }
        pause.wait(until: SystemClock.now() + 2_000_000)
    }
    return true
}
