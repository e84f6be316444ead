import Admin
import Foundation
import Glibc
import Telemetry
import Testing

@Suite struct ProcessReaderTests {
    @Test("the readings of this process are plausible") func current() throws {
        let readings = try #require(ProcessReadings.current())
        #expect(readings.cpuSeconds >= 0)
        #expect(readings.residentBytes > 1 << 20)
        #expect(readings.virtualBytes > readings.residentBytes)
        #expect(readings.openFileDescriptors >= 3)
        #expect(readings.maxFileDescriptors >= readings.openFileDescriptors)
        let now = Date().timeIntervalSince1970
        #expect(readings.startTimeSeconds < now + 2)
        #expect(readings.startTimeSeconds > now - 7 * 86_400)
    }

    @Test("an open file is counted") func descriptors() throws {
        let folder = "/proc/self/fd"
        let before = try #require(ProcFile.entryCount(folder))
        let opened = (0..<50).map { _ in open("/dev/null", O_RDONLY) }
        let after = try #require(ProcFile.entryCount(folder))
        for descriptor in opened { close(descriptor) }
        // Other tests open and close sockets meanwhile.
        #expect(after > before + 10)
        #expect(ProcFile.entryCount("/nothing/here") == nil)
        #expect(ProcFile.text("/nothing/here") == nil)
    }

    @Test("a command with spaces and parentheses does not shift the fields") func stat() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 22 16 17 18 19 20 21 999 4096 7 18446744073709551615 1\n"
        let fields = ProcessReadings.statFields("42 (a b) c)) " + rest)
        #expect(fields?.cpuTicks == 33)
        #expect(fields?.startTicks == 999)
        #expect(fields?.virtualBytes == 4096)
        #expect(fields?.residentPages == 7)
        #expect(ProcessReadings.statFields("42 (a) S 1 2") == nil)
        #expect(ProcessReadings.statFields("") == nil)
    }

    @Test("boot time and the limit of open files are found") func others() {
        #expect(ProcessReadings.bootTimeSeconds("cpu 1 2\nbtime 1700000000\nprocesses 5\n") == 1_700_000_000)
        #expect(ProcessReadings.bootTimeSeconds("cpu 1 2\n") == nil)
        let limits =
            "Limit      Soft Limit   Hard Limit   Units\nMax open files            1024      524288      files\n"
        #expect(ProcessReadings.maxOpenFiles(limits) == 1024)
        #expect(ProcessReadings.maxOpenFiles("Max open files   unlimited   unlimited   files") == .max)
        #expect(ProcessReadings.maxOpenFiles("Max open files") == nil)
        #expect(ProcessReadings.maxOpenFiles("") == nil)
    }
}
