import Foundation

/// Files under `Tests/Goldens`, some of them packed.
enum GoldenFile {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Goldens")

    /// A file's bytes, unpacked if it is packed; `nil` when it is not there or cannot be unpacked.
    static func contents(_ path: String) throws -> Data? {
        let plain = folder.appending(path: path)
        if FileManager.default.fileExists(atPath: plain.path) { return try Data(contentsOf: plain) }
        let packed = folder.appending(path: path + ".xz")
        guard FileManager.default.fileExists(atPath: packed.path) else { return nil }
        let unpacking = Process()
        unpacking.executableURL = URL(filePath: "/usr/bin/env")
        unpacking.arguments = ["xz", "-dc", packed.path]
        let output = Pipe()
        unpacking.standardOutput = output
        unpacking.standardError = FileHandle.nullDevice
        try unpacking.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        unpacking.waitUntilExit()
        return unpacking.terminationStatus == 0 ? data : nil
    }

    /// The lines of a log; none when it is not there.
    static func lines(_ path: String) throws -> [Line] {
        guard let data = try contents(path) else { return [] }
        return try objects([UInt8](data))
    }

    /// Calls `body` with the path of a capture, unpacked; does nothing, and says so, without an `xz` to unpack it.
    static func withCapture(_ path: String, _ body: (String) throws -> Void) throws {
        guard let packets = try contents(path) else {
            print("there is no xz to unpack \(path): it is not checked")
            return
        }
        let file = FileManager.default.temporaryDirectory.appending(path: "weir-\(UUID().uuidString).pcap")
        try packets.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        try body(file.path)
    }
}
