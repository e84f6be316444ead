/// The wait before the next attempt: doubled after every failure, up to a limit, with jitter.
struct Backoff {
    private let initial: Duration
    private let max: Duration
    private var failures = 0

    /// A back-off that begins with `initial` and never exceeds `max`.
    init(initial: Duration, max: Duration) {
        self.initial = initial
        self.max = max
    }

    /// The wait after one more failure: between half and all of the doubled time, so that many sidecars do not come
    /// back at the same moment.
    mutating func next() -> Duration {
        // 2^20 times the shortest sensible start is above every sensible limit.
        let doubled = initial * (1 << Swift.min(failures, 20))
        failures += 1
        return Swift.min(doubled, max) * Double.random(in: 0.5...1)
    }

    /// An attempt succeeded.
    mutating func reset() { failures = 0 }
}
