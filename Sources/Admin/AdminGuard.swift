internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// The one guard of every path: it decides which clients may make a request, by the table in `docs/admin-api.md`.
struct AdminGuard: Sendable {
    /// The demand of a path.
    enum Demand {
        /// None: scrapers and probes have neither tokens nor names.
        case open
        /// It shows what Weir knows.
        case reading
        /// It changes what Weir does.
        case change
    }

    /// The facts about a client.
    struct Client: Equatable {
        /// True if the connection never left this machine's loopback device.
        var isOnLoopback: Bool
        /// The header `Host`; `nil` without one, or with several.
        var host: String?
        /// True if a browser names the page it comes from.
        var isFromPage: Bool
        /// The header `Authorization`.
        var authorization: String?
    }

    /// A denied request: the status and the reason.
    struct Denial: Equatable {
        var status: Int
        var text: String
    }

    /// The required bearer token; `nil` if there is none.
    let token: String?
    /// Names, in lower case, that requests may call this machine besides IP addresses and `localhost`.
    let hosts: Set<String>

    init(token: String?, hosts: [String]) {
        self.token = token
        self.hosts = Set(hosts.map { $0.lowercased() })
    }

    /// The denial of a request; `nil` if it is allowed.
    func denial(_ demand: Demand, _ client: Client) -> Denial? {
        guard demand != .open else { return nil }
        // A name that somebody else's DNS made lead here is how a page would read what it must not.
        guard let host = client.host, isOurs(host) else {
            return Denial(status: 403, text: "Host must be an IP address, localhost or one of admin.hosts")
        }
        // A browser says from which page a change comes; no page is Weir's.
        if demand == .change, client.isFromPage { return Denial(status: 403, text: "not from a web page") }
        guard let token else {
            guard !client.isOnLoopback else { return nil }
            return Denial(status: 403, text: "beyond loopback admin.token has to be set")
        }
        if client.isOnLoopback, demand == .reading { return nil }
        guard Self.isEqual(client.authorization ?? "", "Bearer \(token)") else {
            let what = demand == .change ? "a change" : "reading beyond loopback"
            return Denial(status: 401, text: "\(what) needs admin.token as its bearer token")
        }
        return nil
    }

    /// The denial of a request; `nil` if it is allowed.
    func denial(_ demand: Demand, of request: Request, on channel: any Channel) -> Response? {
        guard let denial = denial(demand, Self.client(request, channel)) else { return nil }
        var response = AdminResponder.problem(.init(code: denial.status), denial.text)
        if denial.status == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
        return response
    }

    private static func client(_ request: Request, _ channel: any Channel) -> Client {
        // The first one is the authority; a second one stays among the fields.
        let isOnlyHost = HTTPField.Name("Host").map { request.headers[values: $0].isEmpty } ?? true
        return Client(
            isOnLoopback: isLoopback(channel.remoteAddress) && isLoopback(channel.localAddress),
            host: isOnlyHost ? request.head.authority : nil,
            isFromPage: request.headers[.origin] != nil,
            authorization: request.headers[.authorization]
        )
    }

    /// True if an address is 127.0.0.0/8, also in its IPv6 form, or `::1`.
    private static func isLoopback(_ address: SocketAddress?) -> Bool {
        guard let text = address?.ipAddress else { return false }
        return text == "::1" || text.hasPrefix("127.") || text.lowercased().hasPrefix("::ffff:127.")
    }

    /// True if the header names this machine: `NAME`, `NAME:PORT`, an IPv6 address in brackets.
    private func isOurs(_ header: String) -> Bool {
        guard let host = Self.host(header) else { return false }
        if host.hasPrefix("[") || Self.isIPv4(host) { return true }
        let name = (host.hasSuffix(".") ? String(host.dropLast()) : host).lowercased()
        return name == "localhost" || hosts.contains(name)
    }

    /// The header without its port; `nil` when it is none.
    private static func host(_ header: String) -> String? {
        guard header.utf8.count <= 255 else { return nil }
        if header.hasPrefix("[") {
            guard let end = header.firstIndex(of: "]") else { return nil }
            let address = header[header.index(after: header.startIndex)..<end]
            guard isPort(header[header.index(after: end)...]) else { return nil }
            guard (try? SocketAddress(ipAddress: String(address), port: 0))?.protocol == .inet6 else { return nil }
            return String(header[...end])
        }
        let name = header.prefix { $0 != ":" }
        return !name.isEmpty && isPort(header[name.endIndex...]) ? String(name) : nil
    }

    /// True if the text is empty or a colon and digits.
    private static func isPort(_ text: Substring) -> Bool {
        text.isEmpty || text.first == ":" && text.dropFirst().utf8.allSatisfy { 0x30...0x39 ~= $0 }
    }

    private static func isIPv4(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                1...3 ~= part.utf8.count && part.utf8.allSatisfy { 0x30...0x39 ~= $0 } && (Int(part) ?? 256) < 256
            }
    }

    /// Compares without telling by the time it takes how much is equal.
    private static func isEqual(_ given: String, _ wanted: String) -> Bool {
        let (given, wanted) = (Array(given.utf8), Array(wanted.utf8))
        guard given.count == wanted.count else { return false }
        return zip(given, wanted).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
