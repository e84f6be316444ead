internal import FuzzBodies
internal import FuzzDriver
internal import Glibc

@main struct FuzzForeign {
    static func main() {
        exit(
            runFuzzer { bytes, count in
                fuzzForeignBody(UnsafeRawBufferPointer(start: bytes, count: count))
                return 0
            }
        )
    }
}
