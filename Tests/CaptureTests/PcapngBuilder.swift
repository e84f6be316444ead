/// Blocks of a pcapng file in either byte order.
struct PcapngBuilder {
    var isBig = false
    private(set) var bytes: [UInt8] = []

    init(isBig: Bool = false) { self.isBig = isBig }

    func word(_ value: UInt32) -> [UInt8] { isBig ? be32(value) : be32(value).reversed() }
    func half(_ value: Int) -> [UInt8] { isBig ? be16(value) : be16(value).reversed() }
    func long(_ value: UInt64) -> [UInt8] {
        let (high, low) = (word(UInt32(value >> 32)), word(UInt32(truncatingIfNeeded: value)))
        return isBig ? high + low : low + high
    }

    static func padded(_ body: [UInt8]) -> [UInt8] { body + [UInt8](repeating: 0, count: (4 - body.count % 4) % 4) }

    mutating func block(_ type: UInt32, _ body: [UInt8], length: UInt32? = nil, trailer: UInt32? = nil) {
        let padded = Self.padded(body)
        let whole = UInt32(padded.count + 12)
        bytes += word(type) + word(length ?? whole) + padded + word(trailer ?? length ?? whole)
    }

    func option(_ code: Int, _ value: [UInt8]) -> [UInt8] { half(code) + half(value.count) + Self.padded(value) }

    mutating func section(_ options: [UInt8] = [], major: Int = 1, minor: Int = 0, isBig: Bool? = nil) {
        if let isBig { self.isBig = isBig }
        block(0x0a0d_0d0a, word(0x1a2b_3c4d) + half(major) + half(minor) + long(.max) + options)
    }

    mutating func interface(_ link: Int, snapLength: UInt32 = 0, _ options: [UInt8] = []) {
        block(1, half(link) + half(0) + word(snapLength) + options)
    }

    mutating func enhanced(_ interface: UInt32, _ ticks: UInt64, _ packet: [UInt8], original: Int? = nil) {
        let lengths = word(UInt32(packet.count)) + word(UInt32(original ?? packet.count))
        // The options are an epb_flags and the end.
        let options = option(2, word(1)) + word(0)
        block(6, word(interface) + stamp(ticks) + lengths + Self.padded(packet) + options)
    }

    mutating func obsolete(_ interface: Int, _ ticks: UInt64, _ packet: [UInt8], drops: Int = 0xffff) {
        let lengths = word(UInt32(packet.count)) + word(UInt32(packet.count))
        block(2, half(interface) + half(drops) + stamp(ticks) + lengths + packet)
    }

    mutating func simple(_ packet: [UInt8], original: Int? = nil) {
        block(3, word(UInt32(original ?? packet.count)) + packet)
    }

    /// The two halves of a stamp, the higher one first in both byte orders.
    private func stamp(_ ticks: UInt64) -> [UInt8] {
        word(UInt32(ticks >> 32)) + word(UInt32(truncatingIfNeeded: ticks))
    }
}
