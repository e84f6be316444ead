/// What the time stamps of one interface of a pcapng file count.
struct PcapngClock: BitwiseCopyable, Equatable {
    /// Microseconds since 1970, as without options.
    static let standard = PcapngClock()

    /// What a tick is multiplied by to make nanoseconds; 0 if that is not how.
    private var multiplier: UInt64 = 1000
    /// What it is divided by; 0 if that is not how.
    private var divisor: UInt64 = 0
    /// How many bits of a stamp are fractions of a second, where the unit is a power of 2.
    private var fractionBits: UInt64 = 0
    /// What is added, in seconds.
    var offsetSeconds: Int64 = 0

    private init() {}

    /// The unit that the option `if_tsresol` names.
    ///
    /// It is `nil` for units that no 64-bit number of nanoseconds can be made of: below 10⁻¹⁹ or 2⁻⁶³ seconds.
    ///
    /// - Parameter resolution: 10 to the power of minus its value, or 2 to it if the highest bit is set.
    init?(resolution: UInt8) {
        let exponent = UInt64(resolution & 0x7f)
        if resolution & 0x80 != 0 {
            guard exponent <= 63 else { return nil }
            (multiplier, fractionBits) = (0, exponent)
        } else {
            guard exponent <= 19 else { return nil }
            let distance = exponent > 9 ? exponent - 9 : 9 - exponent
            let power = (0..<distance).reduce(UInt64(1)) { product, _ in product * 10 }
            (multiplier, divisor) = exponent > 9 ? (0, power) : (power, 0)
        }
    }

    /// A time stamp in nanoseconds since 1970.
    ///
    /// - Parameter ticks: The stamp's 64 bits.
    /// - Returns: The time; 0 for what is earlier, the largest number for what is later than it can say.
    func nanoseconds(_ ticks: UInt64) -> UInt64 {
        var (time, isOver) = (UInt64(0), false)
        if multiplier > 0 {
            (time, isOver) = ticks.multipliedReportingOverflow(by: multiplier)
        } else if divisor > 0 {
            time = ticks / divisor
        } else {
            let fraction = ticks & (1 << fractionBits - 1)
            let product = fraction.multipliedFullWidth(by: 1_000_000_000)
            let below = fractionBits == 0 ? 0 : product.high << (64 - fractionBits) | product.low >> fractionBits
            (time, isOver) = (ticks >> fractionBits).multipliedReportingOverflow(by: 1_000_000_000)
            if !isOver { (time, isOver) = time.addingReportingOverflow(below) }
        }
        if isOver { time = .max }
        guard offsetSeconds != 0 else { return time }
        let (shift, isFar) = offsetSeconds.magnitude.multipliedReportingOverflow(by: 1_000_000_000)
        let offset = isFar ? .max : shift
        if offsetSeconds < 0 { return time > offset ? time - offset : 0 }
        let (sum, overflow) = time.addingReportingOverflow(offset)
        return overflow ? .max : sum
    }
}
