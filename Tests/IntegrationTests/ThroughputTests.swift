import Foundation
import Testing

extension Integration {
    /// How fast a large capture is read, and in how much memory.
    ///
    /// Only when WEIR_LARGE=1, with a release binary in
    /// WEIR_BINARY; WEIR_LARGE_MB is the size (500), WEIR_LARGE_CAPTURES what it is made of, separated by commas.
    @Suite struct ThroughputTests {
        static let isWanted = ProcessInfo.processInfo.environment["WEIR_LARGE"] == "1"

        @Test("A capture of 500 MB is read in bounded memory", .enabled(if: isWanted), .timeLimit(.minutes(10)))
        func readsLargeCapture() throws {
            let environment = ProcessInfo.processInfo.environment
            let megabytes = Int(environment["WEIR_LARGE_MB"] ?? "") ?? 500
            let folder = try TemporaryFolder()
            let all = "dubbo-all,dubbo-load,dubbo-mtu1500,dubbo-c26-p33,dubbo-threadpool"
            let names = (environment["WEIR_LARGE_CAPTURES"] ?? all).split(separator: ",").map { String($0) }
            let files = try names.map { try JavaCapture.file($0 + ".pcap") }
            let large = try LargeCapture.write(to: folder.path + "/large.pcap", files, bytes: megabytes * 1_000_000)
            let tenth = try LargeCapture.write(to: folder.path + "/tenth.pcap", files, bytes: megabytes * 100_000)
            // Every copy is read as a whole: no ports met, no times ran into each other.
            let lines = try WeirBinary.run("read", tenth.path).output.count { $0 == 0x0a }
            let expected = try (0..<tenth.copies).reduce(0) {
                try $0 + JavaCapture.named(names[$1 % names.count]).calls.count
            }
            #expect(lines == expected)
            for form in ["summary", "calls", "messages"] {
                // Once to have the file in the page cache.
                let small = try measure(form, tenth)
                let whole = try measure(form, large)
                let megabytes = Double(large.bytes) / 1e6
                print(
                    "weir read --output \(form): \(Int(megabytes)) MB at \(Int(megabytes / whole.seconds)) MB/s,",
                    "\(Int(megabytes / whole.processorSeconds)) MB a second of processor,",
                    "peak \(whole.peakBytes >> 20) MiB (\(small.peakBytes >> 20) MiB for a tenth)"
                )
                #expect(whole.peakBytes < small.peakBytes * 3 / 2 + (16 << 20), "memory grows with the file")
            }
        }

        private func measure(
            _ form: String,
            _ capture: LargeCapture
        ) throws -> (seconds: Double, processorSeconds: Double, peakBytes: Int) {
            // /dev/null, so that no disk is measured.
            let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
            defer { close(null) }
            let before = Self.processorSeconds()
            let start = ContinuousClock.now
            let run = try ChildProcess(
                [WeirBinary.path, "read", "--output", form, capture.path],
                output: .descriptor(null)
            )
            var peak = 0
            let end = try eventually("the end of weir read", within: 1200) {
                peak = max(peak, run.peakBytes())
                return run.isRunning() ? nil : run.end
            }
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            #expect(end == .exited(0))
            #expect(run.errorText.isEmpty)
            return (seconds, Self.processorSeconds() - before, peak)
        }

        /// What all programs that have been waited for have used.
        private static func processorSeconds() -> Double {
            var usage = rusage()
            getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &usage)
            return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
        }
    }
}

/// A capture made of others, again and again: each copy has client ports of its own and its own time.
struct LargeCapture {
    let path: String
    let bytes: Int
    let copies: Int

    static func write(to path: String, _ files: [[UInt8]], bytes wanted: Int) throws -> LargeCapture {
        guard let output = fopen(path, "w") else { throw Failure(call: path) }
        defer { fclose(output) }
        var written = 0
        var copies = 0
        func put(_ bytes: ArraySlice<UInt8>) {
            written += bytes.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, output) }
        }
        put(files[0][..<24])
        while written < wanted {
            var copy = files[copies % files.count]
            let end = shift(&copy, by: copies)
            put(copy[24..<end])
            copies += 1
        }
        return LargeCapture(path: path, bytes: written, copies: copies)
    }

    /// Gives a copy other ports and a later time; where its last packet ends.
    private static func shift(_ file: inout [UInt8], by copy: Int) -> Int {
        var at = 24
        while at + 16 <= file.count {
            let seconds = little(file, at) &+ UInt32(copy * 60)
            for place in 0..<4 { file[at + place] = UInt8(truncatingIfNeeded: seconds >> (8 * UInt32(place))) }
            let count = Int(little(file, at + 8))
            let tcp = at + 16 + 14 + Int(file[at + 16 + 14] & 0x0f) * 4
            for port in [tcp, tcp + 2] {
                let value = UInt16(file[port]) << 8 | UInt16(file[port + 1])
                guard value != 20880 else { continue }
                let other = 1024 + (value &+ UInt16(truncatingIfNeeded: copy * 101)) % 19_000
                file[port] = UInt8(other >> 8)
                file[port + 1] = UInt8(truncatingIfNeeded: other)
            }
            at += 16 + count
        }
        return at
    }

    private static func little(_ bytes: [UInt8], _ at: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << (8 * UInt32($1)) }
    }
}
