/// The memory of another process's limits, for limits of this one to go on in.
///
/// The descriptors say themselves what they are of: which limits, of what definition, in which layout. What does not
/// fit is left out, and limits that find nothing here begin with windows of their own.
public final class InheritedLimits: Sendable {
    /// How many descriptors are looked at: one for what all limits share and one a limit.
    public static let maxDescriptors = 1 + LimitBounds.maxLimits

    let sharing: SharedMemory?
    private let limits: [String: SharedMemory]

    /// Takes over what ``LimitRegistry/withDescriptors(_:)`` gave in another process.
    ///
    /// - Parameter descriptors: In any order; all of them belong to this object from now on and are closed when nothing
    ///   needs them. Those beyond ``maxDescriptors`` are closed at once.
    public init(descriptors: [Int32]) {
        var sharing: SharedMemory?
        var limits: [String: SharedMemory] = [:]
        for (index, descriptor) in descriptors.enumerated() {
            // What is too much is closed like what is no such memory.
            let most = index < Self.maxDescriptors ? LimitLayout.maxBytes : 0
            guard let memory = SharedMemory(adopting: descriptor, maxBytes: most) else { continue }
            if LimitLayout.fits(memory, magic: LimitLayout.sharingMagic) {
                sharing = sharing ?? memory
            } else if LimitLayout.fits(memory, magic: LimitLayout.limitMagic),
                let name = LimitLayout.name(in: memory.words, at: LimitLayout.name)
            {
                limits[name] = memory
            }
        }
        self.sharing = sharing
        self.limits = limits
    }

    /// The memory of the limit of a name.
    subscript(name: String) -> SharedMemory? { limits[name] }

    /// Whether they are of processes with which limits are shared already.
    func isOf(_ other: LimitSharing) -> Bool {
        sharing.map { $0.words[LimitLayout.identity] == other.identity } ?? false
    }
}
