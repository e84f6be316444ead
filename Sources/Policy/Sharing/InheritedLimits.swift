/// The memory of another process's limits, in which limits of this process continue.
///
/// The descriptors describe themselves: the limits, their definition and their layout. Those that do not fit are left
/// out, and limits that find nothing here begin with windows of their own.
public final class InheritedLimits: Sendable {
    /// The most descriptors that are read: one for the memory shared by all limits and one for each limit.
    public static let maxDescriptors = 1 + LimitBounds.maxLimits

    let sharing: SharedMemory?
    private let limits: [String: SharedMemory]

    /// Takes over the descriptors that ``LimitRegistry/withDescriptors(_:)`` gave in another process.
    ///
    /// - Parameter descriptors: The descriptors in any order; all of them belong to this object from now on and are
    ///   closed when they are no longer needed. Those beyond ``maxDescriptors`` are closed at once.
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

    /// True if limits are already shared with their processes.
    func isOf(_ other: LimitSharing) -> Bool {
        sharing.map { $0.words[LimitLayout.identity] == other.identity } ?? false
    }
}
