public import Wire

/// The static table in the form that the decoder and the encoder read.
struct HPACKStaticTable: Sendable {
    /// The largest static index.
    static let count = 61
    /// The table, made on first use.
    static let shared = HPACKStaticTable()

    /// The entries by index; index 0 has none.
    let entries: [HPACKEntry]
    /// The names and values that the entries point into.
    let bytes: [UInt8]
    /// The first index of every name.
    let indexOfName: NameTable

    private init() {
        var entries = [HPACKEntry(offset: 0, nameBytes: 0, valueBytes: 0, nameID: 0, isUnknown: false)]
        var bytes: [UInt8] = []
        var firsts: [(name: StaticString, id: UInt8)] = []
        for (index, field) in Self.fields.enumerated() {
            entries.append(
                HPACKEntry(
                    offset: UInt32(bytes.count),
                    nameBytes: UInt16(field.name.utf8CodeUnitCount),
                    valueBytes: UInt16(field.value.utf8CodeUnitCount),
                    nameID: 0,
                    isUnknown: false
                )
            )
            bytes += Array(field.name.description.utf8)
            bytes += Array(field.value.description.utf8)
            // Equal names stand side by side.
            if firsts.last?.name.description != field.name.description {
                firsts.append((field.name, UInt8(index + 1)))
            }
        }
        self.entries = entries
        self.bytes = bytes
        indexOfName = NameTable(firsts)
    }
}

/// The names that are wanted from header blocks, prepared once and shared by all decoders.
public struct HPACKNames: Sendable {
    let table: NameTable
    /// The static entries, each with its name's number here.
    let entries: [HPACKEntry]
    /// The bytes that the static entries point into.
    let bytes: [UInt8]

    /// The same, as a view.
    var fixedBytes: RawSpan {
        @_lifetime(borrow self)
        get {
            bytes.byteSpan
        }
    }

    /// The names of a table.
    ///
    /// - Parameter table: The wanted names; lower-case, as HTTP/2 has them.
    public init(_ table: NameTable) {
        let fixed = HPACKStaticTable.shared
        self.table = table
        bytes = fixed.bytes
        entries = fixed.entries.map { entry in
            var entry = entry
            entry.nameID = table.id(of: fixed.bytes.byteSpan.slice(entry.name))
            return entry
        }
    }
}
