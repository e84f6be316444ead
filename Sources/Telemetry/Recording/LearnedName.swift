internal import Synchronization

/// A name that turns up in the traffic, and is kept from then on.
public final class LearnedName: Sendable {
    private let known = Atomic<Bool>(false)
    private let name = Mutex<String?>(nil)

    /// A name that is not known yet.
    public init() {}

    /// Whether ``learn(_:)`` is of no use any more.
    public var isKnown: Bool { known.load(ordering: .relaxed) }

    /// The name, once it is known.
    public var text: String? { name.withLock { $0 } }

    /// Takes the name, unless one is known.
    ///
    /// - Parameter text: The name; an empty one is none.
    public func learn(_ text: String) {
        guard !text.isEmpty else { return }
        name.withLock { if $0 == nil { $0 = text } }
        known.store(true, ordering: .relaxed)
    }
}
