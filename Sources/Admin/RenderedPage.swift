internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Synchronization

/// A rendered answer, packed with gzip, and shared by all its readers.
///
/// Only the part that a reader's connection is about to take is copied or unpacked, so slow readers hold little.
final class RenderedPage: Sendable {
    /// The number of bytes that go to a connection at once.
    static let pieceBytes = 8 << 10
    /// The factor from a page's rendering time to its lifetime: rendering takes a tenth of a thread at most.
    private static let useFactor: UInt64 = 10
    /// No page is older.
    static let maxAgeNanoseconds: UInt64 = 1_000_000_000

    private struct Readers {
        var connections: [ObjectIdentifier: AdminConnection] = [:]
        var isRevoked = false
    }

    let contentType: String
    let plainBytes: Int
    private let packed: ByteBuffer
    /// The time of the request for its numbers.
    private let begun: UInt64
    private let usableNanoseconds: UInt64
    private let readers = Mutex(Readers())

    /// A page.
    ///
    /// - Parameters:
    ///   - contentType: Its type.
    ///   - writer: The writer it was written into.
    ///   - begun: The time of the request for its numbers.
    ///   - work: The time that rendering took, without waiting, in nanoseconds.
    init(contentType: String, _ writer: GzipWriter, begun: UInt64, work: UInt64) {
        self.contentType = contentType
        packed = writer.finish()
        plainBytes = writer.plainBytes
        self.begun = begun
        usableNanoseconds = min(Self.maxAgeNanoseconds, work.multipliedReportingOverflow(by: Self.useFactor).0)
    }

    /// The memory that it takes.
    var bytes: Int { packed.readableBytes }

    /// True if it may be given to a client that asks now.
    func isFresh(at now: UInt64) -> Bool {
        now &- begun < usableNanoseconds && !readers.withLock { $0.isRevoked }
    }

    /// Cuts off everybody who reads it, so that its memory comes free.
    func revoke() {
        let connections = readers.withLock { readers in
            readers.isRevoked = true
            return Array(readers.connections.values)
        }
        for connection in connections { connection.cut(.page) }
    }

    /// The response with the page in the client's form.
    ///
    /// - Parameters:
    ///   - isPacked: True if the client accepts gzip.
    ///   - connection: The client's connection.
    /// - Returns: A response of a known length.
    func response(isPacked: Bool, _ connection: AdminConnection) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = contentType
        // What is served changes all the time.
        headers[.cacheControl] = "no-store"
        headers[.vary] = "Accept, Accept-Encoding"
        // Two answers with the same one are the same page.
        if begun > 0 { headers[.eTag] = "W/\"\(String(begun, radix: 16))\"" }
        if isPacked { headers[.contentEncoding] = "gzip" }
        let body = ResponseBody(contentLength: isPacked ? packed.readableBytes : plainBytes) { [self] writer in
            guard enter(connection) else { throw CancellationError() }
            defer { leave(connection) }
            if isPacked {
                try await writePacked(&writer, connection)
            } else {
                try await writePlain(&writer, connection)
            }
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: headers, body: body)
    }

    @concurrent private func writePacked(_ writer: inout any ResponseBodyWriter, _ connection: AdminConnection)
        async throws
    {
        var rest = packed
        while rest.readableBytes > 0 {
            guard let piece = rest.readSlice(length: min(Self.pieceBytes, rest.readableBytes)) else { return }
            // A copy: what waits for a client must not keep the page.
            try await writer.write(ByteBuffer(bytes: piece.readableBytesView))
            await connection.allTaken()
        }
    }

    @concurrent private func writePlain(_ writer: inout any ResponseBodyWriter, _ connection: AdminConnection)
        async throws
    {
        let reader = try GzipReader(packed)
        while let piece = reader.next(Self.pieceBytes) {
            try await writer.write(piece)
            await connection.allTaken()
        }
    }

    private func enter(_ connection: AdminConnection) -> Bool {
        readers.withLock { readers in
            guard !readers.isRevoked else { return false }
            readers.connections[ObjectIdentifier(connection)] = connection
            return true
        }
    }

    private func leave(_ connection: AdminConnection) {
        readers.withLock { $0.connections[ObjectIdentifier(connection)] = nil }
    }
}

/// The living pages: those that may be given out, and older ones that still have readers.
final class LivePages: Sendable {
    /// The most memory of all together; the newest may be larger by itself.
    static let maxBytes = 4 << 20

    private struct Entry {
        weak var page: RenderedPage?
    }

    private let entries = Mutex<[Entry]>([])

    /// Adds a new page, and revokes the oldest ones until there is room for it.
    func add(_ page: RenderedPage) {
        let revoked = entries.withLock { entries in
            entries.removeAll { $0.page == nil }
            var pages = entries.compactMap(\.page)
            var bytes = pages.reduce(page.bytes) { $0 + $1.bytes }
            var revoked: [RenderedPage] = []
            while bytes > Self.maxBytes, !pages.isEmpty {
                let oldest = pages.removeFirst()
                bytes -= oldest.bytes
                revoked.append(oldest)
            }
            entries = (pages + [page]).map { Entry(page: $0) }
            return revoked
        }
        for page in revoked { page.revoke() }
    }
}
