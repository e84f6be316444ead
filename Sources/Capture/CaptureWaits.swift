/// The waiting behaviour of a capture that comes through a pipe, perhaps without end.
public struct CaptureWaits {
    /// Called before reading waits for bytes that are not there yet.
    public let willWait: () -> Void
    /// A descriptor that ends the capture as a file ends, once it is readable; -1 for none.
    public let stop: Int32
    /// The longest wait for the rest of a packet, in milliseconds, before a ``PacketEvent/timeout``; -1 for any time.
    public let timeoutMilliseconds: Int32

    /// Waits without a handler and without an end.
    public init() {
        willWait = {}
        stop = -1
        timeoutMilliseconds = -1
    }

    /// Waits with a handler.
    ///
    /// - Parameters:
    ///   - stop: A descriptor that becomes readable when reading is to end; it stays the caller's.
    ///   - timeoutMilliseconds: The longest wait for the rest of a packet; -1 for any time.
    ///   - willWait: Called before reading waits for bytes that are not there yet.
    public init(stop: Int32, timeoutMilliseconds: Int32 = -1, willWait: @escaping () -> Void) {
        self.stop = stop
        self.timeoutMilliseconds = timeoutMilliseconds
        self.willWait = willWait
    }
}
