import HTTP2
import TestSupport
import Testing

@Suite struct HPACKTableSizeTests {
    private func update(_ bytes: Int) -> [UInt8] { integer(bytes, mask: 0x1f, lead: 0x20) }

    @Test("an update evicts what no longer fits, and is remembered for who withholds the block")
    func evicts() throws {
        var decoding = Decoding()
        _ = try decoding.decode(inserting("a", "1") + inserting("b", "2") + inserting("c", "3"))
        #expect(decoding.decoder.tableBytes == 102)
        #expect(decoding.decoder.sizeUpdates == HPACKSizeUpdates())
        let fields = try decoding.decode(update(101) + [0xbe, 0xbf])
        #expect(fields.map(\.description) == ["c: 3", "b: 2"])
        #expect(decoding.decoder.sizeUpdates.lowestBytes == 101)
        #expect(decoding.decoder.sizeUpdates.lastBytes == 101)
        _ = try decoding.decode(update(0) + update(4096))
        #expect(decoding.decoder.tableBytes == 0)
        #expect(decoding.decoder.sizeUpdates.lowestBytes == 0)
        #expect(decoding.decoder.sizeUpdates.lastBytes == 4096)
        #expect(decoding.error("be") == .badIndex(62))
        #expect(decoding.decoder.sizeUpdates.lowestBytes == nil)
    }

    @Test("the limit that SETTINGS set binds updates")
    func limit() {
        var decoding = Decoding()
        decoding.decoder.setLimit(8192)
        #expect(decoding.error(update(8192)) == nil)
        #expect(decoding.error(update(8193)) == .sizeUpdateTooLarge(declaredBytes: 8193, limitBytes: 8192))
    }

    @Test("a limit below the table's size must be met at the beginning of the next block")
    func due() {
        var silent = Decoding()
        silent.decoder.setLimit(1000)
        #expect(silent.error("82") == .sizeUpdateMissing)

        var met = Decoding()
        met.decoder.setLimit(1000)
        #expect(met.error(update(1000) + [0x82]) == nil)
        #expect(met.error("82") == nil)

        var above = Decoding()
        above.decoder.setLimit(1000)
        #expect(above.error(update(1001)) == .sizeUpdateTooLarge(declaredBytes: 1001, limitBytes: 1000))
    }

    @Test("the smallest limit between two blocks must be met although a larger one followed")
    func smallest() {
        var once = Decoding()
        once.decoder.setLimit(100)
        once.decoder.setLimit(4096)
        #expect(once.error(update(4096)) == .sizeUpdateTooLarge(declaredBytes: 4096, limitBytes: 100))

        var rising = Decoding()
        rising.decoder.setLimit(100)
        rising.decoder.setLimit(200)
        #expect(rising.error(update(200)) == .sizeUpdateTooLarge(declaredBytes: 200, limitBytes: 100))

        var twice = Decoding()
        twice.decoder.setLimit(100)
        twice.decoder.setLimit(4096)
        #expect(twice.error(update(100) + update(4096) + [0x82]) == nil)
    }

    @Test("a limit that does not touch the table's size asks for nothing")
    func untouched() {
        var decoding = Decoding()
        decoding.decoder.setLimit(65_536)
        #expect(decoding.error("82") == nil)
        decoding.decoder.setLimit(4096)
        #expect(decoding.error("82") == nil)
    }

    @Test("a table larger than what is followed is an error of its own")
    func tooLarge() {
        var decoding = Decoding()
        decoding.decoder.setLimit(65_536)
        #expect(decoding.error(update(16_384)) == nil)
        #expect(decoding.error(update(16_385)) == .tableTooLarge(declaredBytes: 16_385))
    }

    @Test("memory follows the live entries and is given back")
    func memory() throws {
        var decoding = Decoding()
        #expect(decoding.decoder.ownedBytes == 0)
        _ = try decoding.decode("82 86 84 00 01 61 01 62")
        #expect(decoding.decoder.ownedBytes == 0)
        _ = try decoding.decode(inserting("grpc-timeout", "1000m"))
        #expect(decoding.decoder.ownedBytes < 200)
        for value in 0..<5000 { _ = try decoding.decode(inserting("tri-service-version", "\(value)")) }
        // About 75 live entries of 20 bytes; a row is at most half larger than needed, an entry's row is 12 bytes.
        #expect(decoding.decoder.tableBytes > 4000)
        #expect(decoding.decoder.ownedBytes < 4096 * 3 / 2)
        decoding.decoder.trim()
        let trimmed = decoding.decoder.ownedBytes
        #expect(trimmed < 4096)
        let fields = try decoding.decode("be bf")
        #expect(fields.map(\.description) == ["tri-service-version: 4999", "tri-service-version: 4998"])
        _ = try decoding.decode(update(0))
        #expect(decoding.decoder.ownedBytes < 100)
    }

    @Test("a full table of large entries owns at most one and a half times its size")
    func largeEntries() throws {
        var decoding = Decoding()
        for count in 0..<200 {
            _ = try decoding.decode(inserting("a", String(repeating: "v", count: count * 37 % 4000)))
            #expect(decoding.decoder.ownedBytes < 4096 * 3 / 2 + 400)
        }
    }
}
