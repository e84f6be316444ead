public import Calls
public import Inspection

/// The reader of one capture: it feeds the packets of a source to an inspection core.
///
/// Commands of other threads are handled between two packets, and whenever the source has none in time. The core's
/// clock is the capture's.
public final class CaptureReader {
    /// The result of one step.
    public enum Step: Equatable, Sendable {
        /// A packet of so many bytes.
        case packet(byteCount: Int)
        /// No packet in the time that the source waits.
        case timeout
        /// The end.
        case end
    }

    private let core: InspectionCore
    private let commands: CommandQueue?
    private let sessions: CaptureInspector
    private let reassembler: Reassembler

    /// A reader that has seen nothing.
    ///
    /// - Parameters:
    ///   - core: The core whose observers and numbers receive the capture's content; its clock is the wall clock.
    ///   - side: The side of the services on which the capture is taken.
    ///   - limits: The bounds of reassembly.
    ///   - commands: The commands of other threads, if there can be any.
    public init(
        core: InspectionCore,
        side: Side,
        limits: ReassemblyLimits = ReassemblyLimits(),
        commands: CommandQueue? = nil
    ) {
        self.core = core
        self.commands = commands
        sessions = CaptureInspector(inspector: core.inspector, side: side)
        reassembler = Reassembler(limits: limits, consumer: sessions)
    }

    /// The counters so far.
    public var counters: CaptureCounters { reassembler.counters }

    /// Handles the commands that wait, then reads one packet.
    ///
    /// - Parameter source: The source, the same at every step.
    /// - Returns: The result.
    /// - Throws: ``CaptureError`` if the source is broken; nothing can be read after it.
    public func step(_ source: inout some PacketSource & ~Copyable) throws(CaptureError) -> Step {
        if let commands {
            for command in commands.take() { core.handle(command, for: sessions) }
        }
        switch try source.next() {
        case .packet(let packet):
            reassembler.packet(
                packet.bytes,
                linkType: packet.linkType,
                time: packet.time,
                originalLength: packet.originalLength
            )
            return .packet(byteCount: packet.bytes.byteCount)
        case .timeout: return .timeout
        case .end: return .end
        }
    }

    /// Lets time pass without packets, for a capture of the present: deadlines of calls are kept.
    ///
    /// - Parameter time: The time, in nanoseconds since 1970; one before the last packet's changes nothing.
    public func advance(to time: UInt64) { sessions.advance(to: time) }

    /// Ends the capture: delivers what is kept, closes every connection, and handles the commands that wait.
    public func finish() {
        reassembler.finish()
        guard let commands else { return }
        for command in commands.take() { core.handle(command, for: sessions) }
    }
}
