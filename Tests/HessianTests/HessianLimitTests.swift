import Foundation
import Hessian
import TestSupport
import Testing

@Suite struct HessianLimitTests {
    @Test("nesting is bounded: one below, at and above the limit", arguments: [1, 5, 511, 512])
    func depth(limit: Int) {
        let limits = HessianLimits(maxDepth: limit)
        // A list in a list …, a map's value in a map …, an object's field in an object … around a null.
        let wraps: [(open: [UInt8], close: [UInt8])] = [([0x79], []), ([0x57], [0x5a]), ([0x48, 0x90], [0x5a])]
        for wrap in wraps {
            for depth in [limit - 1, limit] {
                let bytes = nested(wrap, depth)
                #expect(decode(bytes, limits).only != nil, "\(depth) \(wrap)")
            }
            let over = decode(nested(wrap, limit + 1), limits).error
            #expect(over == .tooDeep(offset: UInt32(limit * wrap.open.count)), "\(wrap)")
        }
        let definition = hex("43 0161 91 0166")
        for depth in [limit - 1, limit, limit + 1] {
            let bytes = definition + [UInt8](repeating: 0x60, count: depth) + [0x4e]
            #expect((decode(bytes, limits).error == nil) == (depth <= limit))
        }
    }

    private func nested(_ wrap: (open: [UInt8], close: [UInt8]), _ depth: Int) -> [UInt8] {
        repeated(wrap.open, depth) + [0x4e] + repeated(wrap.close, depth)
    }

    private func repeated(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
        Array([[UInt8]](repeating: bytes, count: count).joined())
    }

    @Test("a limit above the deepest tree does not lift that one")
    func deepestTree() {
        let limits = HessianLimits(maxDepth: .max)
        let deepest = HessianValueDecoder.deepestTree
        #expect(decode([UInt8](repeating: 0x79, count: deepest) + [0x4e], limits).only != nil)
        #expect(decode([UInt8](repeating: 0x79, count: 1 << 20), limits).error == .tooDeep(offset: UInt32(deepest)))
    }

    @Test("classes and fields are bounded: at and above the limit")
    func classes() {
        let limits = HessianLimits(maxClasses: 3, maxFields: 2)
        let empty = hex("43 0161 90")
        for count in 2...3 {
            let bytes = repeated(empty, count) + [0x60 + UInt8(count - 1)]
            #expect(decode(bytes, limits).only != nil)
        }
        #expect(decode(repeated(empty, 4) + [0x60], limits).error == .tooManyClasses(offset: 12))
        #expect(decode(hex("43 0161 91 0178 60 4e"), limits).only != nil)
        #expect(decode(hex("43 0161 92 0178 0179 60 4e 4e"), limits).only != nil)
        #expect(decode(hex("43 0161 93 0178 0179 017a 60 4e4e4e"), limits).error == .tooManyClasses(offset: 3))
        #expect(decode(hex("43 0161 49 7fffffff"), limits).error == .tooManyClasses(offset: 3))
    }

    @Test("a count needs as many bytes as it says")
    func counts() {
        let limits = HessianLimits(maxFields: .max)
        for text in ["58 49 7fffffff", "56 0161 49 7fffffff", "43 0161 49 7fffffff"] {
            let bytes = hex(text)
            #expect(decode(bytes, limits).error == .badLength(offset: UInt32(bytes.count - 5)), "\(text)")
        }
        #expect(decode(hex("58 92 4e")).error == .badLength(offset: 1))
        #expect(decode(hex("58 91 4e")).only != nil)
    }

    @Test("chains of tiny chunks and rows of empty lists take time in proportion to their length")
    func linear() {
        let chunks = repeated(hex("520001 61"), 100_000) + [0x00]
        let empties = repeated(hex("520000"), 100_000) + [0x00]
        let lists = [0x57] + [UInt8](repeating: 0x78, count: 200_000) + [0x5a]
        let binaries = repeated(hex("410001 61"), 100_000) + [0x20]
        let clock = ContinuousClock()
        let time = clock.measure {
            #expect(decode(chunks).only?.text?.utf8.count == 100_000)
            #expect(decode(empties).only == .string([]))
            #expect(decode(lists).only != nil)
            #expect(decode(binaries).only != nil)
        }
        #expect(time < .seconds(240), "\(time)")
    }

    @Test("the deepest tree is decoded, compared, shown, written and freed on a stack of 512 KiB")
    func smallStack() {
        let shapes: [(open: [UInt8], close: [UInt8])] = [([0x79], []), ([0x48, 0x90], [0x5a]), ([0x60], [])]
        let done = DispatchSemaphore(value: 0)
        let thread = Thread {
            for shape in shapes {
                let prefix = shape.open == [0x60] ? hex("43 0161 91 0166") : []
                let bytes = prefix + nested(shape, HessianValueDecoder.deepestTree)
                guard let value = decode(bytes).only, let again = decode(bytes).only else {
                    Issue.record("\(shape) does not decode")
                    continue
                }
                #expect(value == again && encoded { $0.value(value) } == bytes)
                #expect(value.rendered(maxBytes: 1 << 20).contains("…"))
            }
            done.signal()
        }
        thread.stackSize = 512 * 1024
        thread.start()
        done.wait()
    }
}
