internal import Dubbo
internal import Wire

/// Finds the beginning of a Dubbo frame where it is not known to be.
enum FrameSearch {
    /// Finds the next plausible header.
    ///
    /// - Parameters:
    ///   - bytes: Where to look.
    ///   - start: From where on.
    /// - Returns: Where it stands whole, or where one may have begun; the end if nowhere.
    static func nextHeader(in bytes: RawSpan, from start: Int = 0) -> (offset: Int, isWhole: Bool) {
        var at = start
        while let found = bytes.firstIndex(of: 0xda, from: at) {
            if found + FrameHeader.byteCount <= bytes.byteCount {
                if let header = try? FrameHeader(bytes, at: found), isPlausible(header) { return (found, true) }
            } else if found + 1 == bytes.byteCount || bytes.byte(at: found + 1) == 0xbb {
                return (found, false)
            }
            at = found + 1
        }
        return (bytes.byteCount, false)
    }

    /// True if the header is one that a real peer writes; asked only where the beginning is guessed.
    static func isPlausible(_ header: FrameHeader) -> Bool {
        guard header.bodyBytes <= 64 << 20 else { return false }
        switch header.serialization {
        case 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 16, 18, 21, 22, 23, 25, 27, 28, 31: break
        default: return false
        }
        if header.isRequest { return header.status == 0 }
        guard !header.isTwoWay else { return false }
        switch header.status {
        case 20, 25, 30, 31, 35, 40, 50, 60, 70, 80, 90, 100: return true
        default: return false
        }
    }
}
