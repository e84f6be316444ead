import HTTP2
import TestSupport
import Testing

@Suite struct FlowWindowTests {
    @Test("a window that nothing was inserted in passes updates on as they are")
    func plain() throws {
        var window = FlowWindow()
        #expect(window.availableBytes == 65_535)
        window.forward(60_000)
        #expect(window.availableBytes == 5535)
        #expect(try window.update(60_000) == 60_000)
        #expect(window == FlowWindow())
    }

    @Test("a debt is paid from the next updates, and they are dropped as long as it takes")
    func debt() throws {
        var window = FlowWindow(initialBytes: 100)
        #expect(window.insert(30) == true)
        #expect(window.availableBytes == 70 && window.debtBytes == 30)
        #expect(try window.update(10) == 0)
        #expect(window.availableBytes == 80 && window.debtBytes == 20)
        #expect(try window.update(50) == 30)
        #expect(window.availableBytes == 130 && window.debtBytes == 0)
        #expect(try window.update(50) == 50)
    }

    @Test("an update that has been passed on already pays nothing")
    func passed() throws {
        var window = FlowWindow(initialBytes: 100)
        #expect(window.insert(30) == true)
        #expect(try window.update(50, isPassed: true) == 50)
        #expect(window.availableBytes == 120 && window.debtBytes == 30)
        #expect(try window.update(50) == 20)
    }

    @Test("what is withheld is given back, less a debt")
    func withheld() {
        var window = FlowWindow(initialBytes: 100)
        #expect(window.withhold(40) == 40)
        #expect(window.insert(30) == true)
        #expect(window.withhold(20) == 0)
        #expect(window.withhold(20) == 10)
        #expect(window.availableBytes == 70 && window.debtBytes == 0)
    }

    @Test("only what the receiver takes is inserted")
    func room() {
        var window = FlowWindow(initialBytes: 100)
        #expect(window.insert(101) == false)
        #expect(window == FlowWindow(initialBytes: 100))
        #expect(window.insert(100) == true)
        #expect(!window.fits(1) && window.fits(0))
        #expect(window.insert(0) == true)
    }

    @Test("an increment of 0 and a window past its largest are errors that change nothing")
    func bounds() throws {
        var window = FlowWindow(initialBytes: .max)
        #expect(window.availableBytes == FlowWindow.maxBytes)
        let before = window
        #expect(throws: FlowError.overflow) { try window.update(1) }
        #expect(throws: FlowError.zeroIncrement) { try window.update(0) }
        #expect(throws: FlowError.overflow) { try window.changeInitial(from: 0, to: 1 << 31) }
        #expect(throws: FlowError.overflow) { try window.changeInitial(from: 0, to: 1) }
        #expect(window == before)
        window.forward(1)
        #expect(try window.update(1) == 1)
        #expect(FlowError.overflow.label.description == "window_overflow")
        #expect(FlowError.zeroIncrement.label.description == "window_increment")
    }

    @Test("an initial window may not take the sender's idea past its largest either")
    func boundOfDebt() throws {
        var window = FlowWindow(initialBytes: .max)
        #expect(window.insert(100) == true)
        #expect(throws: FlowError.overflow) { try window.changeInitial(from: 0, to: 1) }
        #expect(try window.update(100) == 0)
        #expect(window == FlowWindow(initialBytes: .max))
    }

    @Test("a smaller initial window may leave a negative one")
    func negative() throws {
        var window = FlowWindow(initialBytes: 1000)
        window.forward(900)
        try window.changeInitial(from: 1000, to: 200)
        #expect(window.availableBytes == -700)
        #expect(!window.fits(1) && window.fits(0))
        #expect(try window.update(701) == 701)
        #expect(window.fits(1) && !window.fits(2))
        for _ in 0..<3 { window.forward(.max) }
        #expect(window.availableBytes == -(1 << 31))
    }

    @Test("the sender's idea is always the window and the debt", arguments: 1...40)
    func agreement(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var window = FlowWindow(initialBytes: 5000)
        var initial: UInt32 = 5000
        var sender: Int64 = 5000
        var receiver: Int64 = 5000
        for _ in 0..<500 {
            let bytes = UInt32.random(in: 1...900, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0 where window.fits(bytes) && Int64(bytes) <= sender:
                window.forward(bytes)
                sender -= Int64(bytes)
                receiver -= Int64(bytes)
            case 1 where Int64(bytes) <= sender:
                sender -= Int64(bytes)
                sender += Int64(window.withhold(bytes))
            case 2:
                if window.insert(bytes) { receiver -= Int64(bytes) }
            case 3:
                let next = UInt32.random(in: 0...8000, using: &random)
                try window.changeInitial(from: initial, to: next)
                sender += Int64(next) - Int64(initial)
                receiver += Int64(next) - Int64(initial)
                initial = next
            default:
                receiver += Int64(bytes)
                sender += Int64(try window.update(bytes))
            }
            #expect(window.availableBytes == receiver)
            #expect(sender == receiver + window.debtBytes)
            #expect(window.debtBytes >= 0)
        }
    }
}
