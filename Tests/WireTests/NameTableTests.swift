import Testing
import Wire

@Suite
struct NameTableTests {
    private static let table = NameTable([
        (":path", 1), ("content-type", 2), ("grpc-status", 3), ("grpc-message", 4), ("b3", 5), ("te", 6),
        ("x_under", 7),
    ])

    @Test(
        "names are found as they are spelled",
        arguments: [
            (":path", 1), ("content-type", 2), ("grpc-status", 3), ("grpc-message", 4), ("b3", 5), ("te", 6),
            ("x_under", 7), ("", 0), ("t", 0), ("tf", 0), ("Te", 0), ("grpc-statut", 0), ("content-types", 0),
            ("a name longer than any of them", 0),
        ] as [(String, UInt8)]
    )
    func exact(_ name: String, _ id: UInt8) {
        let bytes = Array(name.utf8)
        #expect(Self.table.id(of: bytes.span.bytes) == id)
    }

    @Test(
        "names are found in any case",
        arguments: [
            ("Content-Type", 2), ("CONTENT-TYPE", 2), ("content-type", 2), ("TE", 6), ("X_Under", 7), ("B3", 5),
            ("Content\rType", 0), ("", 0), ("\u{42}\u{13}", 0),
        ] as [(String, UInt8)]
    )
    func anyCase(_ name: String, _ id: UInt8) {
        let bytes = Array(name.utf8)
        #expect(Self.table.id(ignoringCaseOf: bytes.span.bytes) == id)
    }
}
