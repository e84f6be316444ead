internal import Synchronization
internal import Wire

/// The names of callers, numbered in order of first sight: one registry for the process, shared by all workers.
///
/// It bounds the series by caller: at most ``capacity`` names are told apart, the rest are `_other`. Nothing is ever
/// removed, so a place stays valid. Workers ask only at the first sight of a name; see ``CallerCache``.
public final class CallerRegistry: Sendable {
    /// The number of names that are told apart.
    public static let capacity = 254
    /// The place of a caller without a name.
    public static let unknown: UInt8 = 0
    /// The place of all names past ``capacity``.
    public static let other: UInt8 = 255
    /// A longer name is cut.
    public static let maxNameBytes = 255

    private struct State {
        var names: [String] = []
        var places: [String: UInt8] = [:]
    }

    private let state = Mutex(State())

    /// An empty registry.
    public init() {}

    /// The names by place; the first one has place 1.
    public var names: [String] { state.withLock { $0.names } }

    /// The place of a name, given now if it is new.
    ///
    /// - Parameter name: The caller's name as UTF-8; what is not is repaired.
    /// - Returns: ``unknown`` for an empty name, 1 … ``capacity`` for a name that is told apart, else ``other``.
    public func place(of name: RawSpan) -> UInt8 {
        let text = name.extracting(first: Self.maxNameBytes).text
        guard !text.isEmpty else { return Self.unknown }
        return state.withLock { state in
            if let known = state.places[text] { return known }
            guard state.names.count < Self.capacity else { return Self.other }
            state.names.append(text)
            let place = UInt8(state.names.count)
            state.places[text] = place
            return place
        }
    }

    /// The name to show for a place.
    ///
    /// - Parameters:
    ///   - place: A call's caller.
    ///   - names: The value of ``names`` after the call was counted.
    /// - Returns: An empty text for ``unknown``, `_other` for ``other`` and for places that are not in `names`.
    public static func name(of place: UInt8, in names: [String]) -> String {
        if place == unknown { return "" }
        return Int(place) <= names.count ? names[Int(place) - 1] : "_other"
    }
}
