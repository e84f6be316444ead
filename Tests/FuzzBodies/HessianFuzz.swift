internal import Hessian

/// Decodes arbitrary bytes as the values of one body and checks what must hold whatever they are.
///
/// - Parameter bytes: Any bytes.
public func fuzzHessianValue(_ bytes: UnsafeRawBufferPointer) {
    let (values, consumed, error) = decodeHessian(bytes)
    precondition(consumed <= bytes.count, "more consumed than given")
    precondition(error != nil || consumed == bytes.count, "neither an error nor the end")
    let again = decodeHessian(bytes)
    precondition(again.values == values && again.consumed == consumed && again.error == error, "not deterministic")

    var encoder = HessianEncoder()
    for value in values {
        precondition(value.rendered(maxBytes: 200).utf8.count <= 200, "the text is longer than its limit")
        encoder.value(value)
    }
    // The first encoding settles on the shortest forms; from then on nothing changes.
    let settled = encoder.bytes.withUnsafeBytes { decodeHessian($0) }
    precondition(settled.error == nil && settled.values.count == values.count, "what was written is not readable")
    var second = HessianEncoder()
    for value in settled.values { second.value(value) }
    precondition(second.bytes == encoder.bytes, "written differently the second time")
}

private func decodeHessian(
    _ bytes: UnsafeRawBufferPointer
) -> (values: [HessianValue], consumed: Int, error: HessianError?) {
    var decoder = HessianValueDecoder(bytes.bytes)
    var values: [HessianValue] = []
    var consumed = 0
    do throws(HessianError) {
        while !decoder.isAtEnd {
            values.append(try decoder.value())
            consumed = decoder.offset
        }
        return (values, consumed, nil)
    } catch {
        precondition(decoder.offset <= bytes.count, "more read than given")
        return (values, consumed, error)
    }
}
