public import Telemetry

extension ProcessReadings {
    /// The readings of `/proc` about this process now, or `nil` if there are none.
    ///
    /// Source: proc(5): `/proc/self/stat` fields 14, 15, 22, 23, 24; `/proc/stat` `btime`; `/proc/self/limits`.
    public static func current() -> ProcessReadings? {
        guard let stat = ProcFile.text("/proc/self/stat"), let times = statFields(stat) else { return nil }
        let bootSeconds = ProcFile.text("/proc/stat").flatMap(bootTimeSeconds) ?? 0
        // The folder itself is open while it is counted.
        let descriptors = (ProcFile.entryCount("/proc/self/fd") ?? 1) - 1
        return ProcessReadings(
            cpuSeconds: Double(times.cpuTicks) / ProcFile.ticksPerSecond,
            residentBytes: times.residentPages * ProcFile.pageBytes,
            virtualBytes: times.virtualBytes,
            openFileDescriptors: UInt64(clamping: descriptors),
            maxFileDescriptors: ProcFile.text("/proc/self/limits").flatMap(maxOpenFiles) ?? 0,
            startTimeSeconds: bootSeconds + Double(times.startTicks) / ProcFile.ticksPerSecond
        )
    }

    /// The fields that are read from `/proc/self/stat`.
    package struct StatFields: Equatable {
        package var cpuTicks: UInt64
        package var startTicks: UInt64
        package var virtualBytes: UInt64
        package var residentPages: UInt64
    }

    /// The fields after the command, which is in parentheses and may hold any character.
    package static func statFields(_ text: String) -> StatFields? {
        guard let end = text.lastIndex(of: ")") else { return nil }
        // The first of these is field 3.
        let fields = text[text.index(after: end)...].split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard fields.count >= 22, let user = UInt64(fields[11]), let system = UInt64(fields[12]),
            let start = UInt64(fields[19]), let size = UInt64(fields[20]), let resident = UInt64(fields[21])
        else { return nil }
        return StatFields(cpuTicks: user + system, startTicks: start, virtualBytes: size, residentPages: resident)
    }

    /// The line `btime` of `/proc/stat`: when the machine was started.
    package static func bootTimeSeconds(_ text: String) -> Double? {
        for line in text.split(separator: "\n") where line.hasPrefix("btime ") { return Double(line.dropFirst(6)) }
        return nil
    }

    /// The soft limit in the line `Max open files` of `/proc/self/limits`; no limit is the largest number.
    package static func maxOpenFiles(_ text: String) -> UInt64? {
        for line in text.split(separator: "\n") where line.hasPrefix("Max open files") {
            let fields = line.split(separator: " ")
            guard fields.count > 3 else { return nil }
            return fields[3] == "unlimited" ? .max : UInt64(fields[3])
        }
        return nil
    }
}
