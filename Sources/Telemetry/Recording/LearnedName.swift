internal import Synchronization

/// A name that is learnt from the traffic and then kept.
public final class LearnedName: Sendable {
    private let known = Atomic<Bool>(false)
    private let name = Mutex<String?>(nil)

    /// A name that is not known yet.
    public init() {}

    /// True if ``learn(_:)`` has no more effect.
    public var isKnown: Bool { known.load(ordering: .relaxed) }

    /// The name, once it is known.
    public var text: String? { name.withLock { $0 } }

    /// Keeps the name, unless one is known.
    ///
    /// - Parameter text: The name; an empty one is none.
    public func learn(_ text: String) {
        guard !text.isEmpty else { return }
        name.withLock { if $0 == nil { $0 = text } }
        known.store(true, ordering: .relaxed)
    }
}
