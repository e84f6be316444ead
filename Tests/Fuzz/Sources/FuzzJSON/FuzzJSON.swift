internal import FuzzBodies
internal import FuzzDriver
internal import Glibc

@main struct FuzzJSON {
    static func main() {
        exit(
            runFuzzer { bytes, count in
                fuzzJSON(UnsafeRawBufferPointer(start: bytes, count: count))
                return 0
            }
        )
    }
}
