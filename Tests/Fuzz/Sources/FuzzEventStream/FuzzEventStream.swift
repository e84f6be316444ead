internal import FuzzBodies
internal import FuzzDriver
internal import Glibc

@main struct FuzzEventStream {
    static func main() {
        exit(
            runFuzzer { bytes, count in
                fuzzEventStream(UnsafeRawBufferPointer(start: bytes, count: count))
                return 0
            }
        )
    }
}
