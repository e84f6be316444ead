internal import Wire

extension Endpoint {
    /// True if it comes before `other` in the order that makes one key of both directions of a connection.
    @inline(__always)
    func precedes(_ other: Endpoint) -> Bool {
        if port != other.port { return port < other.port }
        if low != other.low { return low < other.low }
        return high < other.high
    }
}
