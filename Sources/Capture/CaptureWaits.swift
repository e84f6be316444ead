/// What a capture that comes through a pipe, perhaps without end, needs beside its bytes.
public struct CaptureWaits {
    /// Called before reading waits for bytes that are not there yet.
    public let willWait: () -> Void
    /// A descriptor that ends the capture as a file ends, once it is readable; -1 for none.
    public let stop: Int32

    /// Waits of which nobody is told, and that nothing ends.
    public init() {
        willWait = {}
        stop = -1
    }

    /// Waits that are told.
    ///
    /// - Parameters:
    ///   - stop: A descriptor that becomes readable when reading is to end; it stays the caller's.
    ///   - willWait: Called before reading waits for bytes that are not there yet.
    public init(stop: Int32, willWait: @escaping () -> Void) {
        self.stop = stop
        self.willWait = willWait
    }
}
