internal import Wire

/// A decoder's state for another process, which follows the same sender from the next block on.
extension HPACKDecoder {
    /// The largest size of the table that the sender has announced, in bytes.
    public var maxTableBytes: UInt32 { UInt32(table.maxBytes) }
    /// The largest size that the receiver's SETTINGS allow, in bytes.
    public var tableLimitBytes: UInt32 { limitBytes }

    /// Hands over the entries of the dynamic table, the oldest first.
    ///
    /// - Parameter body: Gets a name and a value.
    public func eachEntry(_ body: (_ name: RawSpan, _ value: RawSpan) -> Void) {
        for index in stride(from: table.count, to: 0, by: -1) {
            guard let entry = table.entry(index) else { continue }
            body(table.bytes.slice(entry.name), table.bytes.slice(entry.value))
        }
    }

    /// Takes up the bounds of a table in another process; to be called before ``add(name:value:)``.
    ///
    /// - Parameters:
    ///   - maxBytes: That decoder's ``maxTableBytes``.
    ///   - limitBytes: That decoder's ``tableLimitBytes``.
    public mutating func restore(maxBytes: UInt32, limitBytes: UInt32) {
        self.limitBytes = limitBytes
        table.resize(to: Int(min(maxBytes, HPACKLimits.maxTableBytes)))
    }

    /// Adds an entry of a table in another process.
    ///
    /// - Parameters:
    ///   - name: Its name, at most ``HPACKLimits/maxTableBytes``.
    ///   - value: Its value, likewise.
    public mutating func add(name: RawSpan, value: RawSpan) {
        table.insert(name: name, value: value, nameID: names.table.id(of: name), isUnknown: false)
    }
}
