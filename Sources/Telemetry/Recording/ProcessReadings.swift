/// The operating system's readings of this process; the `process_*` metrics.
public struct ProcessReadings: Equatable, Sendable {
    /// Processor time used, user and system, in seconds.
    public var cpuSeconds: Double
    /// Resident memory in bytes.
    public var residentBytes: UInt64
    /// Virtual memory in bytes.
    public var virtualBytes: UInt64
    /// Open file descriptors.
    public var openFileDescriptors: UInt64
    /// The most file descriptors that may be open (the soft limit).
    public var maxFileDescriptors: UInt64
    /// The start of the process, in seconds since 1970.
    public var startTimeSeconds: Double

    /// Readings of those values.
    public init(
        cpuSeconds: Double,
        residentBytes: UInt64,
        virtualBytes: UInt64,
        openFileDescriptors: UInt64,
        maxFileDescriptors: UInt64,
        startTimeSeconds: Double
    ) {
        self.cpuSeconds = cpuSeconds
        self.residentBytes = residentBytes
        self.virtualBytes = virtualBytes
        self.openFileDescriptors = openFileDescriptors
        self.maxFileDescriptors = maxFileDescriptors
        self.startTimeSeconds = startTimeSeconds
    }
}

/// The build of this Weir; the labels of `weir_build_info`.
public struct BuildInfo: Equatable, Sendable {
    /// The release.
    public var version: String
    /// The source's revision; empty when it was not known at build time.
    public var revision: String

    /// A build with these names.
    public init(version: String, revision: String) {
        self.version = version
        self.revision = revision
    }
}
