/// The holdings of one worker's calls.
///
/// A token is the place of the first holding and the number of uses of that place; the call's other holdings are linked
/// behind it.
struct LimitTokens: ~Copyable {
    private struct Holding {
        var state: LimitState?
        var window: UInt32 = 0
        var calls: UInt64 = 0
        /// The next thing that the call holds, or the next free place; 0 for none.
        var next: UInt32 = 0
        var uses: UInt8 = 0
    }

    private static let placeBits: UInt32 = 24
    private static let placeMask: UInt32 = (1 << placeBits) - 1

    /// Place 0 is never used.
    private var holdings = [Holding()]
    private var free: UInt32 = 0
    /// The number of holdings.
    private(set) var count = 0

    /// No holdings.
    init() {}

    /// True if nothing more can be held: after 16 million.
    var isFull: Bool { free == 0 && holdings.count > Self.placeMask - LimitTokens.reserve }

    /// The most that a single call may take after ``isFull`` was last false.
    private static let reserve = UInt32(LimitBounds.maxLimits)

    /// Adds a holding in front of those of a token.
    mutating func add(_ state: LimitState, window: Int, calls: UInt64, to token: LimitToken) -> LimitToken {
        let place: UInt32
        if free == 0 {
            place = UInt32(holdings.count)
            holdings.append(Holding())
        } else {
            place = free
            free = holdings[Int(place)].next
        }
        holdings[Int(place)].state = state
        holdings[Int(place)].window = UInt32(window)
        holdings[Int(place)].calls = calls
        holdings[Int(place)].next = token.rawValue & Self.placeMask
        count += 1
        return LimitToken(rawValue: place | UInt32(holdings[Int(place)].uses) << Self.placeBits)
    }

    /// Releases all holdings of a token; one that was already released is ignored.
    mutating func release(_ token: LimitToken) {
        var place = Int(token.rawValue & Self.placeMask)
        guard place != 0, place < holdings.count, holdings[place].state != nil,
            holdings[place].uses == UInt8(truncatingIfNeeded: token.rawValue >> Self.placeBits)
        else { return }
        while place != 0, let state = holdings[place].state {
            let next = holdings[place].next
            state.release(Int(holdings[place].window), calls: holdings[place].calls)
            holdings[place].state = nil
            holdings[place].uses &+= 1
            holdings[place].next = free
            free = UInt32(place)
            count -= 1
            place = Int(next)
        }
    }

    deinit {
        for holding in holdings { holding.state?.release(Int(holding.window), calls: holding.calls) }
    }
}
