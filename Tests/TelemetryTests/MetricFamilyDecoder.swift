import Testing

/// A protobuf message taken apart: its fields in order. Written for these tests, from the encoding's description.
struct ProtobufFields {
    enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        case bytes(ArraySlice<UInt8>)
    }

    struct Broken: Error {}

    var fields: [(number: Int, value: Value)] = []

    init(_ bytes: ArraySlice<UInt8>) throws {
        var rest = bytes
        while !rest.isEmpty {
            let tag = try Self.varint(&rest)
            switch tag & 7 {
            case 0: fields.append((Int(tag >> 3), .varint(try Self.varint(&rest))))
            case 1:
                let eight = rest.prefix(8)
                guard eight.count == 8 else { throw Broken() }
                rest = rest.dropFirst(8)
                fields.append((Int(tag >> 3), .fixed64(eight.reversed().reduce(0) { $0 << 8 | UInt64($1) })))
            case 2: fields.append((Int(tag >> 3), .bytes(try Self.delimited(&rest))))
            default: throw Broken()
            }
        }
    }

    static func delimited(_ rest: inout ArraySlice<UInt8>) throws -> ArraySlice<UInt8> {
        let count = Int(try varint(&rest))
        guard count <= rest.count else { throw Broken() }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) throws -> UInt64 {
        var (value, shift) = (UInt64(0), UInt64(0))
        while let byte = rest.popFirst(), shift < 64 {
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw Broken()
    }

    func all(_ number: Int) -> [Value] { fields.filter { $0.number == number }.map(\.value) }

    func integers(_ number: Int) throws -> [UInt64] {
        try all(number).map { value in
            guard case .varint(let integer) = value else { throw Broken() }
            return integer
        }
    }

    func signed(_ number: Int) throws -> [Int64] {
        try integers(number).map { Int64(bitPattern: ($0 >> 1) ^ (0 &- ($0 & 1))) }
    }

    func doubles(_ number: Int) throws -> [Double] {
        try all(number).map { value in
            guard case .fixed64(let bits) = value else { throw Broken() }
            return Double(bitPattern: bits)
        }
    }

    func messages(_ number: Int) throws -> [ProtobufFields] {
        try all(number).map { value in
            guard case .bytes(let bytes) = value else { throw Broken() }
            return try ProtobufFields(bytes)
        }
    }

    func strings(_ number: Int) throws -> [String] {
        try all(number).map { value in
            guard case .bytes(let bytes) = value, let text = String(validating: bytes, as: UTF8.self) else {
                throw Broken()
            }
            return text
        }
    }
}

/// `io.prometheus.client.MetricFamily` as a reader sees it; field numbers from prometheus/client_model.
struct DecodedFamily {
    struct Exemplar: Equatable {
        var labels: [String: String]
        var value: Double
        var seconds: Double?
    }

    struct Histogram {
        var count: UInt64
        var sum: Double
        var classic: [(bound: Double, cumulative: UInt64)]
        var schema: Int64
        var zeroThreshold: Double
        var zeroCount: UInt64
        /// By index of the schema.
        var native: [(index: Int, count: Int64)]
        var bucketExemplars: [Int: Exemplar]
        var exemplars: [Exemplar]
    }

    struct Metric {
        var labels: [(name: String, value: String)]
        var value: Double?
        var histogram: Histogram?
    }

    var name: String
    var help: String
    /// 0 counter, 1 gauge, 4 histogram.
    var type: UInt64
    var metrics: [Metric]

    /// The families of a page.
    static func all(_ page: [UInt8]) throws -> [DecodedFamily] {
        var rest = page[...]
        var families: [DecodedFamily] = []
        while !rest.isEmpty {
            families.append(try DecodedFamily(try ProtobufFields(try ProtobufFields.delimited(&rest))))
        }
        return families
    }

    private init(_ fields: ProtobufFields) throws {
        name = try #require(try fields.strings(1).first)
        help = try #require(try fields.strings(2).first)
        type = try #require(try fields.integers(3).first)
        let type = type
        metrics = try fields.messages(4).map { metric in
            let labels = try metric.messages(1).map { pair in
                (name: try #require(try pair.strings(1).first), value: try #require(try pair.strings(2).first))
            }
            let single = try metric.messages(type == 0 ? 3 : 2).first
            return Metric(
                labels: labels,
                value: try single?.doubles(1).first,
                histogram: try metric.messages(7).first.map(Self.histogram)
            )
        }
    }

    private static func histogram(_ fields: ProtobufFields) throws -> Histogram {
        var native: [(index: Int, count: Int64)] = []
        var deltas = try fields.signed(13)[...]
        var (index, count) = (0, Int64(0))
        for span in try fields.messages(12) {
            index += Int(try #require(try span.signed(1).first))
            for _ in 0..<(try #require(try span.integers(2).first)) {
                let delta = deltas.popFirst()
                count += try #require(delta)
                native.append((index, count))
                index += 1
            }
        }
        #expect(deltas.isEmpty)
        let buckets = try fields.messages(3)
        var bucketExemplars: [Int: Exemplar] = [:]
        for (at, bucket) in buckets.enumerated() {
            if let exemplar = try bucket.messages(3).first { bucketExemplars[at] = try Self.exemplar(exemplar) }
        }
        return Histogram(
            count: try #require(try fields.integers(1).first),
            sum: try #require(try fields.doubles(2).first),
            classic: try buckets.map {
                (bound: try #require(try $0.doubles(2).first), cumulative: try #require(try $0.integers(1).first))
            },
            schema: try #require(try fields.signed(5).first),
            zeroThreshold: try #require(try fields.doubles(6).first),
            zeroCount: try #require(try fields.integers(7).first),
            native: native,
            bucketExemplars: bucketExemplars,
            exemplars: try fields.messages(16).map(Self.exemplar)
        )
    }

    private static func exemplar(_ fields: ProtobufFields) throws -> Exemplar {
        var labels: [String: String] = [:]
        for pair in try fields.messages(1) {
            let name = try #require(try pair.strings(1).first)
            labels[name] = try pair.strings(2).first
        }
        let seconds = try fields.messages(3).first.map { time in
            Double(try #require(try time.integers(1).first)) + Double(try time.integers(2).first ?? 0) / 1e9
        }
        return Exemplar(labels: labels, value: try #require(try fields.doubles(2).first), seconds: seconds)
    }

    /// The samples as the text form spells them.
    var samples: [(name: String, value: Double)] {
        metrics.flatMap { metric -> [(name: String, value: Double)] in
            guard let histogram = metric.histogram else {
                return [(Self.spelled(name, metric.labels), metric.value ?? .nan)]
            }
            let buckets = histogram.classic.map { bucket in
                let bound = bucket.bound == .infinity ? "+Inf" : Self.spelled(bucket.bound)
                return (Self.spelled(name + "_bucket", metric.labels + [("le", bound)]), Double(bucket.cumulative))
            }
            return buckets + [
                (Self.spelled(name + "_sum", metric.labels), histogram.sum),
                (Self.spelled(name + "_count", metric.labels), Double(histogram.count)),
            ]
        }
    }

    private static func spelled(_ bound: Double) -> String {
        bound == 0.0001 ? "0.0001" : bound == bound.rounded() ? String(Int(bound)) : String(bound)
    }

    private static func spelled(_ name: String, _ labels: [(name: String, value: String)]) -> String {
        guard !labels.isEmpty else { return name }
        let pairs = labels.map { label in
            let escaped = label.value.unicodeScalars.map { scalar -> String in
                switch scalar {
                case "\\": "\\\\"
                case "\"": "\\\""
                case "\n": "\\n"
                default: String(scalar)
                }
            }
            return "\(label.name)=\"\(escaped.joined())\""
        }
        return "\(name){\(pairs.joined(separator: ","))}"
    }
}
