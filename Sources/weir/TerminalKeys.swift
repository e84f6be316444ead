internal import Glibc

/// Keys that are pressed at a terminal, one by one and unseen.
///
/// Signals work as always: Ctrl-C is none of the keys.
final class TerminalKeys {
    private var before: termios?
    private var keys: [UInt8] = []

    /// Begins to read keys; `nil` where nobody can press any: no terminal, or this process is in its background.
    init?() {
        guard isatty(STDIN_FILENO) == 1, Output.isTerminal, tcgetpgrp(STDIN_FILENO) == getpgrp() else { return nil }
        var settings = termios()
        // SAFETY: the call fills one structure.
        guard unsafe tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
        before = settings
        settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
        // SAFETY: as above, filled by it.
        guard unsafe tcsetattr(STDIN_FILENO, TCSANOW, &settings) == 0 else { return nil }
    }

    /// True if any key was pressed.
    var isPressed: Bool {
        read()
        return !keys.isEmpty
    }

    /// True if a key was pressed since it was asked last; all other keys are forgotten.
    func take(_ key: Character) -> Bool {
        read()
        defer { keys = [] }
        return key.asciiValue.map(keys.contains) ?? false
    }

    /// Makes the terminal what it was.
    func end() {
        guard var settings = before else { return }
        // SAFETY: the settings are those the terminal had.
        _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        before = nil
    }

    /// Takes what is there without waiting.
    private func read() {
        var entry = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        var bytes = [UInt8](repeating: 0, count: 64)
        // SAFETY: one entry; and read writes at most as many bytes as the array holds.
        while unsafe poll(&entry, 1, 0) == 1, entry.revents & Int16(POLLIN) != 0 {
            let count = unsafe Glibc.read(STDIN_FILENO, &bytes, bytes.count)
            guard count > 0 else { return }
            keys += bytes[..<count]
        }
    }
}
