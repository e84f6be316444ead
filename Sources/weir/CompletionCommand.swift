internal import ArgumentParser

/// `weir completion`: what a shell needs to complete the command line.
struct CompletionCommand: ParsableCommand {
    /// The shells that are known.
    enum Shell: String, CaseIterable, ExpressibleByArgument {
        case bash, zsh, fish

        var shell: CompletionShell {
            switch self {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        }
    }

    static let configuration = CommandConfiguration(
        commandName: "completion",
        abstract: "Prints a script by which a shell completes commands and options.",
        discussion: """
            bash: weir completion bash > /etc/bash_completion.d/weir
            zsh: weir completion zsh > a folder of $fpath, as _weir
            fish: weir completion fish > ~/.config/fish/completions/weir.fish
            """
    )

    @Argument(help: "The shell.")
    var shell: Shell

    func run() throws { print(Weir.completionScript(for: shell.shell)) }
}
