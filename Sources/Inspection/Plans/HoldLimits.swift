/// How many bytes of a direction may be held back while something is decided about them.
///
/// This is the one contract between the sessions, which hold bytes back, and the relay, which keeps them: a session
/// holds at most what is said here, and the relay keeps ``directionBytes``. A request above its limit is decided about
/// by what is known of it so far.
public enum HoldLimits {
    /// The most bytes the relay keeps for a session in one direction; with more, all of them are passed on undecided.
    @inlinable
    public static var directionBytes: Int { 65_536 }

    /// The largest Dubbo frame that is held back whole; nothing else is held beside it.
    @inlinable
    public static var dubboFrameBytes: Int { directionBytes }

    /// The most bytes held back for an HTTP/1 request, an HTTP/2 header block with what came behind it, or a JSON-RPC
    /// value on a raw connection.
    ///
    /// It is below ``directionBytes``: a frame's header or the head of the request may be held beside it.
    @inlinable
    public static var requestBytes: Int { 60_000 }

    /// The most bytes of replies that an HTTP/2 session takes out and keeps until the client has given more room; with
    /// more, or in front of a larger frame, the client has to take what comes.
    @inlinable
    public static var backlogBytes: Int { 60_000 }
}
