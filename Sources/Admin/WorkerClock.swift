internal import Glibc

/// The clock by which workers time calls: the system's monotonic one.
enum WorkerClock {
    /// Nanoseconds since some moment in the past.
    static func now() -> UInt64 { UInt64(clamping: nanoseconds(CLOCK_MONOTONIC)) }

    /// What makes a time of this clock one since 1970; it changes when the system's clock is set.
    static func wallClockOffset() -> Int64 { nanoseconds(CLOCK_REALTIME) &- nanoseconds(CLOCK_MONOTONIC) }

    /// Seconds and nanoseconds are `timespec`'s two words: its members are declared more than once in what is imported.
    private static func nanoseconds(_ clock: clockid_t) -> Int64 {
        precondition(MemoryLayout<timespec>.size == 2 * MemoryLayout<Int>.size)
        var words = [0, 0]
        unsafe words.withUnsafeMutableBytes {
            guard let time = unsafe $0.bindMemory(to: timespec.self).baseAddress else { return }
            // SAFETY: the call writes one timespec, which is as large as the two words and aligned as they are.
            _ = unsafe clock_gettime(clock, time)
        }
        return Int64(words[0]) &* 1_000_000_000 &+ Int64(words[1])
    }
}
