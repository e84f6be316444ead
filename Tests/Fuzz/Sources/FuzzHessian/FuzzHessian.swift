internal import FuzzBodies
internal import FuzzDriver
internal import Glibc

@main struct FuzzHessian {
    static func main() {
        exit(
            runFuzzer { bytes, count in
                fuzzHessianValue(UnsafeRawBufferPointer(start: bytes, count: count))
                return 0
            }
        )
    }
}
