/// The unit of the time stamps of one interface of a pcapng file.
struct PcapngClock: BitwiseCopyable, Equatable {
    /// Microseconds since 1970, as without options.
    static let standard = PcapngClock()

    /// The factor from ticks to nanoseconds; 0 if another rule applies.
    private var multiplier: UInt64 = 1000
    /// The divisor from ticks to nanoseconds; 0 if another rule applies.
    private var divisor: UInt64 = 0
    /// The number of bits of a stamp that are fractions of a second, if the unit is a power of 2.
    private var fractionBits: UInt64 = 0
    /// The seconds to add.
    var offsetSeconds: Int64 = 0

    private init() {}

    /// The unit that the option `if_tsresol` names.
    ///
    /// It is `nil` for units that no 64-bit number of nanoseconds can express: below 10⁻¹⁹ or 2⁻⁶³ seconds.
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
    /// - Returns: The time; 0 for earlier ones, the largest number for later ones.
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
