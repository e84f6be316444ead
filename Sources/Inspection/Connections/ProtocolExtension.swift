package import Calls
package import Telemetry

/// A protocol from outside this module: how its connections are known, and what decodes them.
///
/// An ``Inspector`` is given its extensions before its first connection (``Inspector/extensions``). They are asked
/// before the protocols of the product, so a pattern should be as narrow as the protocol allows. A connection whose
/// beginning was not seen is not theirs.
package protocol ProtocolExtension: Sendable {
    /// The place that ``ProtocolTraits/register(_:)`` gave the protocol's vocabulary.
    var callProtocol: CallProtocol { get }

    /// True if a connection speaks the protocol.
    ///
    /// Asked of the first bytes of either direction until one extension, or one of the product's protocols, is sure.
    ///
    /// - Parameters:
    ///   - bytes: All that has come of the direction, at least one byte.
    ///   - direction: Which way they go.
    /// - Returns: `nil` while they are too few to tell; then the same bytes with more behind them are asked about, up
    ///   to 8 KiB.
    func recognizes(_ bytes: RawSpan, going direction: Direction) -> Bool?

    /// Makes the session of one connection.
    ///
    /// - Parameter direction: The way of the bytes by which the protocol was recognised.
    /// - Returns: A session that has seen nothing yet.
    func makeSession(recognizedBy direction: Direction) -> any ProtocolSession

    /// The name of the states that its sessions write; see ``ProtocolSession/encodeState(to:in:)``.
    var stateName: StaticString { get }

    /// Makes a session that goes on with a connection of another process.
    ///
    /// - Parameter reader: The state that a session wrote there; whatever it holds, nothing may trap.
    /// - Returns: The session.
    /// - Throws: ``ReportError`` if it is none of this protocol's.
    func restoreSession(from reader: inout ReportReader) throws(ReportError) -> any ProtocolSession
}
