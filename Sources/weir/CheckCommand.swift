internal import ArgumentParser
internal import Settings

/// `weir check`: says whether a configuration is right.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Checks a configuration file, and the limits it names, and prints every problem with its line."
    )

    @Argument(help: "The configuration file.")
    var file: String

    @Flag(help: "Print all settings, defaults included.")
    var show = false

    func run() throws {
        let settings: WeirSettings
        do {
            let content = try SettingsFile(path: file)
            settings = try SettingsLoader(file: content).load()
        } catch let problem as FileProblem {
            Output.error(problem.description)
            throw problem.isMissing ? ExitStatus.noInput : ExitStatus.usage
        } catch let problems as ConfigurationProblems {
            for problem in problems.problems { Output.note("\(problem)\n") }
            throw ExitStatus.usage
        }
        // The files it names belong to it.
        do throws(SettingsFailure) {
            _ = try LimitsDocument(files: settings.limitsPaths(configuration: file))
        } catch {
            for problem in error.problems { Output.note("\(problem)\n") }
            throw ExitStatus.usage
        }
        if show { _ = Output.write(Array(settings.yamlText.utf8)) } else { print("\(file): ok") }
    }
}
