internal import FuzzBodies
internal import FuzzDriver
internal import Glibc

@main struct FuzzHTTP1Session {
    static func main() {
        exit(
            runFuzzer { bytes, count in
                fuzzHTTP1Session(UnsafeRawBufferPointer(start: bytes, count: count))
                return 0
            }
        )
    }
}
