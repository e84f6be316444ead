internal import Calls
internal import Synchronization

/// The codes and exception classes that are told apart per operation: one table for the process, shared by all workers.
///
/// It bounds the number of series: the codes that an operation's protocol has itself, a few others (see
/// ``maxOtherCodes(in:)``) and ``limit`` exception classes an operation, the rest together as `other`. Places are given
/// in order of first sight and never taken back, so all workers agree and no series changes its meaning. Workers ask
/// only at the first sight of a value.
public final class SeriesLabels: Sendable {
    /// The most exception classes of an operation, and the most codes that are not its protocol's own; also the place
    /// of `other` among the classes.
    public static let limit = 16
    /// The place of `other` among codes.
    public static let otherCode = 255
    /// The most codes of an operation that are not its protocol's own, whatever the protocol's traits say.
    static let maxOthers = 64
    /// The longest exception class that is kept, in bytes; what is longer is cut.
    public static let maxClassNameBytes = 256

    /// The labels of one operation.
    public struct Entry: Sendable {
        /// Codes by place.
        public internal(set) var codes: [Int32] = []
        /// Exception classes by place.
        public internal(set) var exceptions: [String] = []
    }

    private let entries = Mutex<[Entry]>([])

    /// A table that knows nothing yet.
    public init() {}

    /// Everything known, by operation index; operations without an entry at the end may be missing.
    public var contents: [Entry] { entries.withLock { $0 } }

    /// The most codes that are told apart and are not the protocol's own.
    ///
    /// - Parameter callProtocol: The protocol; `nil` if it is not known.
    /// - Returns: That of the protocol's traits, below ``otherCode``; ``limit`` if it is not known.
    static func maxOtherCodes(in callProtocol: CallProtocol?) -> Int {
        callProtocol.map { min($0.traits.codes.maxOthers, maxOthers) } ?? limit
    }

    /// The place of a code, given now if it is new.
    ///
    /// - Parameters:
    ///   - code: The code.
    ///   - operation: The operation of the code.
    ///   - callProtocol: Its protocol; `nil` if it is not known, and then no code is its own.
    /// - Returns: The place, ``otherCode`` for `other`, and all codes of the operation once no place is left but for
    ///   the protocol's own.
    func place(
        ofCode code: Int32,
        of operation: OperationID,
        in callProtocol: CallProtocol?
    ) -> (place: Int, all: [Int32]?) {
        func isOwn(_ code: Int32) -> Bool { callProtocol.map { ResultCode.isOwn(code, of: $0) } == true }
        return entries.withLock { entries in
            Self.grow(&entries, to: operation)
            let known = entries[operation.index].codes
            let others = known.count { !isOwn($0) }
            let all = others < Self.maxOtherCodes(in: callProtocol) ? nil : known
            if let place = known.firstIndex(of: code) { return (place, all) }
            guard known.count < Self.otherCode, all == nil || isOwn(code) else { return (Self.otherCode, all) }
            entries[operation.index].codes.append(code)
            return (known.count, nil)
        }
    }

    /// The place of an exception class, given now if it is new.
    ///
    /// - Parameters:
    ///   - name: The class's name, cut to ``maxClassNameBytes``.
    ///   - operation: The operation that it came from.
    /// - Returns: The place, ``limit`` for `other`, and all classes of the operation once no place is left.
    func place(ofException name: String, of operation: OperationID) -> (place: Int, all: [String]?) {
        entries.withLock { entries in
            Self.grow(&entries, to: operation)
            let known = entries[operation.index].exceptions
            if let place = known.firstIndex(of: name) { return (place, known.count == Self.limit ? known : nil) }
            guard known.count < Self.limit else { return (Self.limit, known) }
            entries[operation.index].exceptions.append(name)
            return (known.count, nil)
        }
    }

    private static func grow(_ entries: inout [Entry], to operation: OperationID) {
        while entries.count <= operation.index { entries.append(Entry()) }
    }
}
