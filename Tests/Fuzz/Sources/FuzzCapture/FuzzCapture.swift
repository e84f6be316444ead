internal import FuzzBodies
internal import FuzzDriver
internal import Glibc

@main struct FuzzCapture {
    static func main() {
        exit(
            runFuzzer { bytes, count in
                fuzzCapture(UnsafeRawBufferPointer(start: bytes, count: count))
                return 0
            }
        )
    }
}
