internal import Wire

/// The reasons for which a Huffman string is not valid.
enum HuffmanError: Error {
    /// EOS, an incomplete code or wrong padding.
    case badCode
    /// More octets than there is room for.
    case tooLong
}

/// HPACK's Huffman code (RFC 7541 §5.2, appendix B) in a form for decoding.
///
/// Ten bits look up any code of up to ten bits, which covers nearly all characters of header fields. Longer codes are
/// found by comparing with the first code of each length, as in any canonical code.
struct HuffmanCode: Sendable {
    /// The code, its tables made on first use.
    static let shared = HuffmanCode()

    private static let eos: UInt16 = 256
    /// The length that ``longSymbol(_:)`` returns for EOS: 30 bits, and the bit before its low byte makes them 31.
    private static let eosLength = 31
    private static let quickBits = 10

    /// All codes of one length, in the highest of 32 bits.
    private struct LongCodes: BitwiseCopyable {
        var bits: UInt32
        var firstCode: UInt32
        /// The last code and all ones after it.
        var end: UInt32
        var firstPlace: Int
    }

    /// The lookup table by the next ten bits: the code's length in the high byte, the octet in the low one; 0 for a
    /// longer code.
    private let quick: [UInt16]
    private let long: [LongCodes]
    /// The octets and EOS, ordered as their codes are.
    private let symbols: [UInt16]

    private init() {
        symbols = (0...Self.eos).sorted { (Self.lengths[Int($0)], $0) < (Self.lengths[Int($1)], $1) }
        var quick = [UInt16](repeating: 0, count: 1 << Self.quickBits)
        var long: [LongCodes] = []
        var next: UInt32 = 0
        for (place, symbol) in symbols.enumerated() {
            let bits = Int(Self.lengths[Int(symbol)])
            let code = next
            // Past the last code, EOS, this wraps around to 0.
            next &+= 1 << UInt32(32 - bits)
            if bits <= Self.quickBits {
                let firstSlot = Int(code >> UInt32(32 - Self.quickBits))
                for slot in firstSlot..<firstSlot + 1 << (Self.quickBits - bits) {
                    quick[slot] = UInt16(bits) << 8 | symbol
                }
            } else if long.last?.bits == UInt32(bits) {
                long[long.count - 1].end = next &- 1
            } else {
                long.append(LongCodes(bits: UInt32(bits), firstCode: code, end: next &- 1, firstPlace: place))
            }
        }
        self.quick = quick
        self.long = long
    }

    /// Decodes a string.
    ///
    /// - Parameters:
    ///   - coded: The whole string.
    ///   - out: The buffer for the octets.
    ///   - start: The position in `out` of the first octet.
    ///   - end: The position in `out` that they must not pass.
    /// - Returns: The number of octets.
    /// - Throws: ``HuffmanError``.
    func decode(
        _ coded: RawSpan,
        into out: inout MutableSpan<UInt8>,
        at start: Int,
        end: Int
    ) throws(HuffmanError) -> Int {
        var place = start
        var at = 0
        // The bits not yet decoded, from the highest down, and how many they are.
        var bits: UInt64 = 0
        var available = 0
        while true {
            if available < 32 { Self.refill(&bits, available: &available, coded: coded, at: &at) }
            guard available > 0 else { return place &- start }
            // Behind the string come ones, as its padding is of ones.
            let window = bits | UInt64.max &>> UInt64(truncatingIfNeeded: available)
            var symbol = quick[Int(truncatingIfNeeded: window &>> 54)]
            if symbol == 0 { symbol = longSymbol(UInt32(truncatingIfNeeded: window &>> 32)) }
            let length = Int(symbol >> 8)
            guard length <= available else {
                guard available < 8, window == .max else { throw .badCode }
                return place &- start
            }
            guard length != Self.eosLength else { throw .badCode }
            guard place < end else { throw .tooLong }
            out[place] = UInt8(truncatingIfNeeded: symbol)
            place &+= 1
            bits &<<= UInt64(truncatingIfNeeded: length)
            available &-= length
        }
    }

    /// The length and octet of the code of more than ten bits in the highest of 32 bits.
    private func longSymbol(_ window: UInt32) -> UInt16 {
        var row = 0
        // The last row ends with all ones.
        while window > long[row].end { row &+= 1 }
        let codes = long[row]
        let place = codes.firstPlace &+ Int((window &- codes.firstCode) &>> (32 &- codes.bits))
        return UInt16(truncatingIfNeeded: codes.bits) << 8 &+ symbols[place]
    }

    private static func refill(_ bits: inout UInt64, available: inout Int, coded: RawSpan, at: inout Int) {
        if at &+ 4 <= coded.byteCount {
            bits |= UInt64(coded.uint32(at: at)) &<< UInt64(truncatingIfNeeded: 32 &- available)
            at &+= 4
            available &+= 32
        } else {
            while at < coded.byteCount {
                bits |= UInt64(coded.byte(at: at)) &<< UInt64(truncatingIfNeeded: 56 &- available)
                at &+= 1
                available &+= 8
            }
        }
    }
}
