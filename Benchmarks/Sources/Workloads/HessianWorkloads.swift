import Hessian
import Wire

extension Workload {
    static let hessian = [
        skip("text-64") { $0.string(String(repeating: "x", count: 64)) },
        skip("chinese-text-64") { $0.string(String(repeating: "订", count: 64)) },
        skip("binary-4096") { $0.binary([UInt8](repeating: 7, count: 4096)) },
        skip("list-of-100-ints") { encoder in
            encoder.beginList(count: 100)
            for number in 0..<100 { encoder.int(Int32(number * number * 10)) }
        },
        skip("map-of-20-texts") { encoder in
            encoder.beginMap()
            for number in 0..<20 {
                encoder.string("key\(number)")
                encoder.string("the value of \(number)")
            }
            encoder.end()
        },
        skip("list-of-10-objects") { encoder in
            let item = HessianClass(
                name: "com.example.shop.OrderItem",
                fieldNames: ["sku", "title", "quantity", "unitPrice", "weightGrams", "isGift"]
            )
            encoder.beginList(type: "java.util.ArrayList", count: 10)
            for number in 0..<10 {
                encoder.beginObject(item)
                encoder.string("SKU-000\(number)")
                encoder.string("something to buy")
                encoder.int(Int32(number))
                encoder.double(19.95)
                encoder.long(1_500_000)
                encoder.bool(number == 3)
            }
        },
    ]

    /// Steps over one value that `write` encodes.
    private static func skip(_ shape: String, _ write: @escaping @Sendable (inout HessianEncoder) -> Void) -> Workload {
        Workload("hessian.skip.\(shape)") {
            var encoder = HessianEncoder()
            write(&encoder)
            let value = encoder.bytes
            return { repetitions in
                var scanner = HessianScanner()
                let bytes = value.span.bytes
                for _ in 0..<repetitions {
                    var at = 0
                    scanner.reset()
                    let isComplete = try? scanner.skipValue(bytes, &at)
                    precondition(isComplete == true && at == bytes.byteCount, "not stepped over")
                }
            }
        }
    }
}
