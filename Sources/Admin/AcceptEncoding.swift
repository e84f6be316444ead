/// A reader for the header `accept-encoding`.
enum AcceptEncoding {
    /// True if gzip is among the header's codings, or covered by its `*`, and is not forbidden.
    ///
    /// A header longer than ``AcceptHeader/maxBytes`` is taken for none. Source: RFC 9110 §12.5.3.
    static func allowsGzip(_ header: String?) -> Bool {
        guard let header, header.utf8.count <= AcceptHeader.maxBytes else { return false }
        var (named, any): (Bool?, Bool?)
        for item in header.split(separator: ",") {
            let parts = item.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard let coding = parts.first else { continue }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            switch coding {
            case "gzip", "x-gzip": named = weight > 0
            case "*": any = weight > 0
            default: break
            }
        }
        return named ?? any ?? false
    }
}
