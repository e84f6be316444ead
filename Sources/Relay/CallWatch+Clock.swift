internal import Glibc

extension Linux {
    /// What ``now()`` is behind the time since 1970, in nanoseconds.
    static func wallClockOffset() -> UInt64 {
        var time = timespec()
        // SAFETY: the call fills one timespec.
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec) &- now()
    }
}
