internal import CFuzzDriver

/// Runs libFuzzer with the arguments of the process; it ends the process itself when its time is over.
///
/// - Parameter one: Takes one input; returns 0.
/// - Returns: The exit status.
public func runFuzzer(_ one: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt) -> CInt {
    var count = CommandLine.argc
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
    return LLVMFuzzerRunDriver(&count, &arguments, one)
}
