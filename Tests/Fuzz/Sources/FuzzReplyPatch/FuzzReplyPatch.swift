internal import FuzzBodies
internal import FuzzDriver
internal import Glibc

@main struct FuzzReplyPatch {
    static func main() {
        exit(
            runFuzzer { bytes, count in
                fuzzReplyPatch(UnsafeRawBufferPointer(start: bytes, count: count))
                return 0
            }
        )
    }
}
