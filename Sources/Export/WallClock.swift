internal import Glibc

/// The system's clocks.
enum WallClock {
    /// What to add to a monotonic time of the workers to get the time of day, in nanoseconds.
    ///
    /// It changes when the system's clock is set, so it is asked for again with every batch.
    static func offsetNanoseconds() -> Int64 { nanoseconds(CLOCK_REALTIME) &- nanoseconds(CLOCK_MONOTONIC) }

    /// Seconds since 1970.
    static func seconds() -> Int64 { nanoseconds(CLOCK_REALTIME) / 1_000_000_000 }

    private static func nanoseconds(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        // SAFETY: the call fills one timespec.
        _ = unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}
