internal import FuzzBodies
internal import FuzzDriver
internal import Glibc

@main struct FuzzHTTP2Session {
    static func main() {
        exit(
            runFuzzer { bytes, count in
                fuzzHTTP2Session(UnsafeRawBufferPointer(start: bytes, count: count))
                return 0
            }
        )
    }
}
