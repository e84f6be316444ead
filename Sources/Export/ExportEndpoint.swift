/// An `http://` or `https://` URL in its parts.
public struct ExportEndpoint: Equatable, Sendable, CustomStringConvertible {
    /// The longest URL.
    private static let maxBytes = 2_048

    /// True for `https`.
    public let isSecure: Bool
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    public let host: String
    /// The port; 80 and 443 where none is given.
    public let port: Int
    /// The part after the host: empty, or a path, perhaps with a query.
    public let path: String

    /// Reads a URL.
    ///
    /// - Parameter url: Without user, password and fragment.
    /// - Throws: ``ExportProblem`` for anything that is not such a URL.
    public init(_ url: String) throws(ExportProblem) {
        // What may hold a password is not repeated.
        let shown = url.contains("@") ? "" : ": \(url.prefix(200).debugDescription)"
        let problem: (String) -> ExportProblem = { ExportProblem($0 + shown) }
        guard url.utf8.count <= Self.maxBytes, url.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw problem("not a URL")
        }
        guard let slashes = url.firstIndex(of: ":"), url[slashes...].hasPrefix("://") else {
            throw problem("a URL has to begin with http:// or https://")
        }
        switch url[..<slashes].lowercased() {
        case "http": isSecure = false
        case "https": isSecure = true
        default: throw problem("a URL has to begin with http:// or https://")
        }
        let rest = url[url.index(slashes, offsetBy: 3)...]
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        guard !rest[end...].contains("#") else { throw problem("a URL must not have a fragment") }
        guard !rest[..<end].contains("@") else { throw problem("a URL must not have a user; use a header") }
        guard let (host, port) = Self.authority(rest[..<end]) else { throw problem("no host and port in the URL") }
        self.host = host
        self.port = port ?? (isSecure ? 443 : 80)
        path = rest[end...] == "/" ? "" : String(rest[end...])
    }

    private static func authority(_ text: Substring) -> (host: String, port: Int?)? {
        var host = text
        var rest = Substring()
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<close]
            rest = text[text.index(after: close)...]
            guard host.contains(":"), host.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else { return nil }
        } else {
            let colon = text.firstIndex(of: ":") ?? text.endIndex
            host = text[..<colon]
            rest = text[colon...]
            guard host.allSatisfy({ $0.isLetter || $0.isNumber || "-._".contains($0) }) else { return nil }
        }
        guard !host.isEmpty, host.utf8.count <= 255 else { return nil }
        guard !rest.isEmpty else { return (String(host), nil) }
        let digits = rest.dropFirst()
        guard rest.hasPrefix(":"), digits.allSatisfy({ $0.isASCII && $0.isNumber }), let port = Int(digits),
            (1...65_535).contains(port)
        else { return nil }
        return (String(host), port)
    }

    /// True if the host is an IPv4 address.
    var isIPv4: Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
    }

    /// True if the host is an IPv6 address.
    var isIPv6: Bool { host.contains(":") }

    /// The URL without its path.
    var base: String { "\(isSecure ? "https" : "http")://\(isIPv6 ? "[\(host)]" : host):\(port)" }

    /// The URL.
    public var description: String { base + path }
}
