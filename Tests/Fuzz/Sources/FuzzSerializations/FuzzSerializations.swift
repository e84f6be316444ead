internal import FuzzBodies
internal import FuzzDriver
internal import Glibc

@main struct FuzzSerializations {
    static func main() {
        exit(
            runFuzzer { bytes, count in
                fuzzSerializedBody(UnsafeRawBufferPointer(start: bytes, count: count))
                return 0
            }
        )
    }
}
