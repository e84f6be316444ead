/// The reasons for which the demo cannot begin.
public enum DemoError: Error, Equatable, Sendable {
    /// The port cannot be listened on; `errorNumber` is the kernel's, positive.
    case cannotListen(port: UInt16, errorNumber: Int32)
    /// The process may not have another thread.
    case noThread
}
