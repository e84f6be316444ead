public import CLinux

/// The clocks of the system; no other code in Swift reads one of them.
///
/// Cost: a call into the kernel's shared page, no system call.
public enum SystemClock {
    /// The monotonic clock (`CLOCK_MONOTONIC`), by which everything is timed: nanoseconds since some past moment.
    @inlinable
    public static func now() -> UInt64 { weir_now() }

    /// The time of day (`CLOCK_REALTIME`): nanoseconds since 1970.
    @inlinable
    public static func sinceEpoch() -> UInt64 { weir_since_epoch() }

    /// What makes a time of ``now()`` one since 1970, in nanoseconds.
    ///
    /// It changes when the system's clock is set, so it is asked for again whenever times are written out.
    public static func epochOffset() -> Int64 { Int64(bitPattern: sinceEpoch() &- now()) }
}
