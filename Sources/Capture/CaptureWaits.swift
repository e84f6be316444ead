/// The waiting behaviour of a capture that comes through a pipe, perhaps without end.
public struct CaptureWaits {
    /// Called before reading waits for bytes that are not there yet.
    public let willWait: () -> Void
    /// A descriptor that ends the capture as a file ends, once it is readable; -1 for none.
    public let stop: Int32

    /// Waits without a handler and without an end.
    public init() {
        willWait = {}
        stop = -1
    }

    /// Waits with a handler.
    ///
    /// - Parameters:
    ///   - stop: A descriptor that becomes readable when reading is to end; it stays the caller's.
    ///   - willWait: Called before reading waits for bytes that are not there yet.
    public init(stop: Int32, willWait: @escaping () -> Void) {
        self.stop = stop
        self.willWait = willWait
    }
}
