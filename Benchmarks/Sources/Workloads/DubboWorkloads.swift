import Dubbo

extension Workload {
    static let dubbo = [
        Workload("dubbo.header.parse") {
            // Each header says where the next one is, as in a read.
            let frames = (0..<16).flatMap { Frames.request(id: $0) }
            return { repetitions in
                let bytes = frames.span.bytes
                var (at, sum) = (0, UInt64(0))
                for _ in 0..<repetitions {
                    guard let header = try? FrameHeader(bytes, at: at) else { preconditionFailure("no header") }
                    sum &+= header.requestID
                    at += Int(header.frameBytes)
                    if at == bytes.byteCount { at = 0 }
                }
                keep(sum)
            }
        }
    ]
}
