internal import ArgumentParser
internal import Glibc

/// The descriptors 0, 1 and 2.
enum StandardDescriptors {
    /// Opens those that are closed to `/dev/null`, before anything else opens a descriptor.
    ///
    /// A process that was started with one of them closed would else be given it for a socket, and what it prints or
    /// logs would go to whoever is at the other end. Where that cannot be done the process ends: nothing that it does
    /// is safe.
    static func open() {
        for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest number that is free: those below are open by now.
            // SAFETY: the path is a C string that lives during the call.
            if unsafe Glibc.open("/dev/null", O_RDWR) != descriptor { _exit(ExitStatus.unavailable.rawValue) }
        }
    }
}
