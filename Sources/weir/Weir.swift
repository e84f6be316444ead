internal import ArgumentParser
internal import CLinux
internal import Glibc

@main
struct Weir: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weir",
        abstract: "Makes Dubbo traffic visible and governable, without touching the services.",
        version: Build.text,
        subcommands: [
            RunCommand.self, DemoCommand.self, TapCommand.self, ReadCommand.self, CheckCommand.self,
            DrainCommand.self, UndrainCommand.self, InterceptCommand.self, ReportCommand.self, CompletionCommand.self,
        ]
    )

    static func main() async {
        StandardDescriptors.open()
        await main(nil)
    }
}

/// The version and revision of this build.
enum Build {
    /// The version.
    static let version = "0.1.0"
    /// The source's revision, with a plus where it was changed; empty for a build that `scripts/build` did not make.
    // SAFETY: the text is the program's own, and terminated.
    static let revision = unsafe String(cString: weir_revision())
    /// Both, as `weir --version` prints them.
    static var text: String { revision.isEmpty ? version : "\(version) (\(revision))" }
}

/// The process's exit codes: a contract with scripts (sysexits.h).
enum ExitStatus {
    /// Wrong usage or configuration.
    static let usage = ExitCode(64)
    /// A file whose structure is broken, or that is no capture.
    static let data = ExitCode(65)
    /// No such file.
    static let noInput = ExitCode(66)
    /// An address or interface that cannot be used.
    static let unavailable = ExitCode(69)
    /// Output that cannot be written.
    static let output = ExitCode(74)
    /// What was waited for has not come about.
    static let temporary = ExitCode(75)
}
