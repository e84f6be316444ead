/// What a program may do that a kubelet or systemd starts, and where: as far as it can be had with `ip`, `mount` and
/// `setpriv`.
struct Confinement {
    var namespace: String
    var user: String
    var group: String
    /// The capabilities that are left; `nil` for all that the user has.
    var capabilities: [String]?
    /// Whether the root file system can only be read.
    var isReadOnly = false
    /// Whether a program may gain privileges by being run.
    var mayGain = true
    var environment: [(name: String, value: String)] = []

    /// A command so confined. Every step of it runs the next in its place, so that the process is the command's own.
    func command(_ words: [String]) -> [String] {
        var prefix = ["ip", "netns", "exec", namespace]
        if isReadOnly { prefix += ["sh", "-c", "mount -o remount,bind,ro / && exec \"$@\"", "sh"] }
        prefix += ["env"] + environment.map { "\($0.name)=\($0.value)" }
        prefix += ["setpriv", "--reuid", user, "--regid", group, "--clear-groups"]
        if let capabilities {
            let left = ["-all"] + capabilities.map { "+" + $0.lowercased() }
            prefix += ["--bounding-set", left.joined(separator: ","), "--inh-caps", "-all"]
        }
        if !mayGain { prefix.append("--no-new-privs") }
        return prefix + words
    }
}
