/// The clock by which a call's times were taken.
///
/// Workers take times by the machine's monotonic clock, captures by their packets' time stamps. What writes times out
/// converts both with ``sinceEpoch(_:offset:)``.
public enum CallClock: UInt8, BitwiseCopyable, Sendable {
    /// The monotonic clock of this machine, which counts from some past moment.
    case monotonic
    /// A wall clock, which counts from 1970.
    case wall

    /// A time of this clock as nanoseconds since 1970.
    ///
    /// - Parameters:
    ///   - time: The time, in nanoseconds.
    ///   - offset: The difference from the monotonic clock to the time since 1970, in nanoseconds; a wall clock's times
    ///     do not need it.
    /// - Returns: The time since 1970; a sum beyond 64 bits wraps.
    @inlinable
    public func sinceEpoch(_ time: UInt64, offset: Int64) -> UInt64 {
        switch self {
        case .monotonic: time &+ UInt64(bitPattern: offset)
        case .wall: time
        }
    }
}
