internal import Calls
internal import Dubbo
internal import HTTP2
internal import Wire

/// Tells what a connection speaks from the first bytes of a direction.
///
/// A pure function of the bytes: `nil` means that they are too few to tell, and that the same bytes with more behind
/// them are to be asked about.
enum ProtocolDetector {
    /// The most blanks in front of a connection's first message.
    static let maxBlanks = 1024
    /// The longest method, and the longest first line, by which a request of a method that is not listed is known;
    /// servers refuse longer lines.
    static let maxMethodBytes = 64
    static let maxFirstLineBytes = 8192

    /// The protocol that begins with those bytes.
    ///
    /// - Parameters:
    ///   - bytes: All that has come of the direction, at least one byte.
    ///   - direction: Which way they go: a server may begin with HTTP/2's SETTINGS.
    /// - Returns: The protocol, ``ConnectionProtocol/opaque`` for none that is known; `nil` while they are too few.
    static func firstSight(of bytes: RawSpan, from direction: Direction) -> ConnectionProtocol? {
        switch bytes.byte(at: 0) {
        case 0x00 where direction == .toDownstream: return serverSettings(in: bytes)
        case 0xda: return bytes.byteCount < 2 ? nil : bytes.byte(at: 1) == 0xbb ? .dubbo : .opaque
        case 0x50 where bytes.byteCount >= 2 && bytes.byte(at: 1) == 0x52:
            // HTTP/2's preface begins with `PRI `; there are methods that begin so, too, as PROPFIND.
            guard bytes.byteCount > 2 else { return nil }
            guard bytes.byte(at: 2) == 0x49 else { return httpMethod(in: bytes) }
            guard bytes.byteCount > 3 else { return nil }
            return bytes.byte(at: 3) == 0x20 ? .triple : httpMethod(in: bytes)
        case 0x7b, 0x5b: return .jsonrpc
        case 0xef: return markedSight(of: bytes)
        case 0x20, 0x09, 0x0d, 0x0a: return sight(behindBlanksOf: bytes)
        case 0x16: return bytes.byteCount < 2 ? nil : bytes.byte(at: 1) == 0x03 ? .tls : .opaque
        default: return httpMethod(in: bytes)
        }
    }

    /// True if a byte is white space, as JSON and HTTP have it.
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d || byte == 0x0a }

    /// True if a connection may begin with these bytes as a person's or a script's does.
    static func beginsWithText(_ bytes: RawSpan) -> Bool {
        switch bytes.byte(at: 0) {
        case 0x0a, 0x0d, 0x20...0x7e: isText(bytes.extracting(0..<FrameSearch.nextHeader(in: bytes).offset))
        default: false
        }
    }

    /// True if bytes are text as terminals send it: no control characters but those of lines and of editing them.
    static func isText(_ bytes: RawSpan) -> Bool {
        for at in 0..<bytes.byteCount {
            switch bytes.byte(at: at) {
            case 0x08...0x0d, 0x1b, 0x20...0x7e, 0x80...0xff: break
            default: return false
            }
        }
        return true
    }

    /// A server's first SETTINGS frame, should it speak before its client: at most 40 settings.
    private static func serverSettings(in bytes: RawSpan) -> ConnectionProtocol? {
        let start = bytes.extracting(0..<min(bytes.byteCount, HTTP2FrameHeader.byteCount))
        for (place, byte) in [(1, 0), (3, 4), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0)] as [(Int, UInt8)] {
            guard place < start.byteCount else { return nil }
            guard start.byte(at: place) == byte else { return .opaque }
        }
        let count = start.byte(at: 2)
        return count % 6 == 0 && count <= 240 ? .triple : .opaque
    }

    /// JSON behind a byte order mark.
    private static func markedSight(of bytes: RawSpan) -> ConnectionProtocol? {
        for (place, byte) in [(1, 0xbb), (2, 0xbf)] as [(Int, UInt8)] {
            guard place < bytes.byteCount else { return nil }
            guard bytes.byte(at: place) == byte else { return .opaque }
        }
        guard bytes.byteCount > 3 else { return nil }
        let rest = bytes.extracting(3..<bytes.byteCount)
        if isBlank(rest.byte(at: 0)) {
            let sight = sight(behindBlanksOf: rest)
            return sight == .http ? .opaque : sight
        }
        return rest.byte(at: 0) == 0x7b || rest.byte(at: 0) == 0x5b ? .jsonrpc : .opaque
    }

    /// HTTP/1 behind empty lines, which a server ignores (RFC 9112 §2.2), or JSON behind white space.
    private static func sight(behindBlanksOf bytes: RawSpan) -> ConnectionProtocol? {
        var at = 0
        var areLines = true
        while at < bytes.byteCount, isBlank(bytes.byte(at: at)) {
            areLines = areLines && bytes.byte(at: at) <= 0x0d && bytes.byte(at: at) != 0x09
            at += 1
        }
        guard at <= maxBlanks else { return .opaque }
        guard at < bytes.byteCount else { return nil }
        let rest = bytes.extracting(at..<bytes.byteCount)
        switch rest.byte(at: 0) {
        case 0x7b, 0x5b: return .jsonrpc
        case 0xef: return markedSight(of: rest)
        default: return areLines ? httpMethod(in: rest) : .opaque
        }
    }

    private static func httpMethod(in bytes: RawSpan) -> ConnectionProtocol? {
        for method: StaticString in ["GET ", "POST ", "PUT ", "HEAD ", "PATCH ", "DELETE ", "OPTIONS ", "TRACE "] {
            let count = min(bytes.byteCount, method.utf8CodeUnitCount)
            guard bytes.extracting(0..<count).begins(method) else { continue }
            return count == method.utf8CodeUnitCount ? .http : nil
        }
        return otherMethod(in: bytes)
    }

    /// A request line of a method that is not listed, for methods are extensible (RFC 9110 §9.1): any token, a blank, a
    /// target and ` HTTP/1.`.
    private static func otherMethod(in bytes: RawSpan) -> ConnectionProtocol? {
        let count = min(bytes.byteCount, maxFirstLineBytes)
        let undecided: ConnectionProtocol? = bytes.byteCount < maxFirstLineBytes ? nil : .opaque
        var at = 0
        while at < count, isTokenCharacter(bytes.byte(at: at)) { at += 1 }
        guard at > 0, at <= maxMethodBytes else { return .opaque }
        guard at < count else { return undecided }
        guard bytes.byte(at: at) == 0x20 else { return .opaque }
        at += 1
        let start = at
        while at < count, bytes.byte(at: at) > 0x20, bytes.byte(at: at) != 0x7f { at += 1 }
        guard at < count else { return undecided }
        guard at > start, bytes.byte(at: at) == 0x20 else { return .opaque }
        let version: StaticString = " HTTP/1."
        let rest = bytes.extracting(at..<min(bytes.byteCount, at + version.utf8CodeUnitCount))
        guard rest.begins(version) else { return .opaque }
        return rest.byteCount == version.utf8CodeUnitCount ? .http : nil
    }

    /// True if a byte is one of a token (RFC 9110 §5.6.2).
    private static func isTokenCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        case 0x21, 0x23...0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e...0x60, 0x7c, 0x7e: true
        default: false
        }
    }
}

extension RawSpan {
    /// True if `literal` begins with these bytes.
    fileprivate func begins(_ literal: StaticString) -> Bool {
        let text = Array(literal.description.utf8.prefix(byteCount))
        return elementsEqual(text.byteSpan)
    }
}
