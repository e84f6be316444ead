internal import FuzzBodies
internal import FuzzDriver
internal import Glibc

@main struct FuzzDubboSession {
    static func main() {
        exit(
            runFuzzer { bytes, count in
                fuzzDubboSession(UnsafeRawBufferPointer(start: bytes, count: count))
                return 0
            }
        )
    }
}
