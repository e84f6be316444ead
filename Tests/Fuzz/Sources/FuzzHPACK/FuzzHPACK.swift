internal import FuzzBodies
internal import FuzzDriver
internal import Glibc

@main struct FuzzHPACK {
    static func main() {
        exit(
            runFuzzer { bytes, count in
                fuzzHPACK(UnsafeRawBufferPointer(start: bytes, count: count))
                return 0
            }
        )
    }
}
