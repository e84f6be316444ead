import Calls
import HTTP2
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing
import Wire

/// Keeps fields as text.
private struct FieldList: HeaderSink {
    var fields: [(name: String, value: String)] = []
    mutating func field(_ field: borrowing HeaderField) { fields.append((field.name.text, field.value.text)) }
}

/// One end of a connection that takes nothing but what RFC 9113 allows.
final class StrictEnd {
    /// A stream as this end knows it.
    struct Stream {
        var fields: [String: String] = [:]
        var blocks = 0
        var body: [UInt8] = []
        var isEnded = false
        var isReset = false
    }

    let isServer: Bool
    private var decoder = HPACKDecoder(names: HPACKNames(NameTable([(":path", 1)])))
    private var scratch = HPACKScratch()
    private var bytes: [UInt8] = []
    private var prefaceLeft: Int
    private var blockStream: UInt32 = 0
    private var blockEnds = false
    private var block: [UInt8] = []
    private var hasSettings = false
    /// Table sizes that this end has set and that are not acknowledged.
    private var tableSizes: [UInt32?] = []
    var streams: [UInt32: Stream] = [:]
    private var lastStream: UInt32 = 0
    /// What this end still takes on the connection, and how much of it was not credited yet.
    var window = 65_535
    var uncredited = 0
    /// What the other end takes on the connection.
    var sendWindow = 65_535
    /// Whether ``sendWindow`` is kept by whoever sends.
    var countsCredit = false
    /// What this end still takes on each stream, and what the other end does; kept only where that is wanted.
    var countsStreams = false
    var initialWindow = 65_535
    var otherInitialWindow = 65_535
    /// What it has set, from what is acknowledged on.
    private var initialWindows = [65_535]
    var streamWindows: [UInt32: Int] = [:]
    var streamUncredited: [UInt32: Int] = [:]
    var streamSendWindows: [UInt32: Int] = [:]
    var goAways: [UInt32] = []
    /// The last streams that the other end named.
    var lastStreams: [UInt32] = []
    /// PINGs that are to be answered, and answers.
    var pings: [[UInt8]] = []
    var answers: [[UInt8]] = []
    var faults: [String] = []
    /// Streams that the other end has opened, or answered to the end, since this was emptied.
    var news: [UInt32] = []
    /// SETTINGS that came: their table sizes, which are to be acknowledged.
    var settings: [UInt32?] = []
    var maxFrameBytes = 16_384

    init(isServer: Bool) {
        self.isServer = isServer
        prefaceLeft = isServer ? HTTP2Preface.byteCount : 0
    }

    /// This end sends SETTINGS.
    func sent(tableSize: UInt32?) { tableSizes.append(tableSize) }

    /// This end sends another INITIAL_WINDOW_SIZE, which may bind before it is acknowledged.
    func sent(initialWindow bytes: Int) {
        initialWindows.append(bytes)
        settleInitialWindow()
    }

    private func settleInitialWindow() {
        let change = (initialWindows.max() ?? 0) - initialWindow
        initialWindow += change
        for id in streamWindows.keys { streamWindows[id, default: 0] += change }
    }

    /// What may be sent on a stream.
    func room(_ id: UInt32) -> Int { streamSendWindows[id, default: otherInitialWindow] }

    /// This end sends DATA's payload.
    func send(_ id: UInt32, _ count: Int) {
        sendWindow -= count
        streamSendWindows[id, default: otherInitialWindow] -= count
    }

    /// This end opens a stream.
    func open(_ id: UInt32) { streams[id] = Stream() }

    var isWhole: Bool { bytes.isEmpty && blockStream == 0 }

    func receive(_ new: ArraySlice<UInt8>) {
        bytes += new
        if prefaceLeft > 0 {
            guard bytes.count >= prefaceLeft else { return }
            if Array(bytes.prefix(prefaceLeft)) != H2.preface { faults.append("preface") }
            bytes.removeFirst(prefaceLeft)
            prefaceLeft = 0
        }
        var at = 0
        while at + 9 <= bytes.count {
            let header = HTTP2FrameHeader(bytes.span.bytes, at: at)
            guard at + header.frameBytes <= bytes.count else { break }
            take(header, Array(bytes[at + 9..<at + header.frameBytes]))
            at += header.frameBytes
        }
        bytes.removeFirst(at)
    }

    private func take(_ header: HTTP2FrameHeader, _ payload: [UInt8]) {
        let id = header.streamID
        if payload.count > maxFrameBytes { faults.append("frame of \(payload.count)") }
        if !hasSettings, header.type != HTTP2FrameType.settings || header.has(HTTP2Flag.ack) {
            faults.append("no SETTINGS first but \(header)")
        }
        if blockStream != 0, header.type != HTTP2FrameType.continuation || id != blockStream {
            faults.append("\(header) inside a block")
        }
        if isServer, id > lastStream, header.type != HTTP2FrameType.headers {
            faults.append("\(header) on an idle stream")
        }
        if !isServer, id != 0, streams[id] == nil { faults.append("\(header) on a stream never opened") }
        if isServer, id != 0, id <= lastStream, streams[id] == nil {
            faults.append("\(header) on a stream passed over")
        }
        let content = (try? header.content(firstByte: payload.first ?? 0)).map { Array(payload[$0.indices]) }
        switch header.type {
        case HTTP2FrameType.data:
            window -= payload.count
            uncredited += payload.count
            if window < 0 { faults.append("window overrun") }
            if countsStreams {
                streamWindows[id, default: initialWindow] -= payload.count
                streamUncredited[id, default: 0] += payload.count
                if streamWindows[id, default: 0] < 0, !payload.isEmpty {
                    faults.append("\(header) overruns its window")
                }
            }
            if streams[id]?.isEnded == true { faults.append("\(header) behind the end") }
            streams[id]?.body += content ?? []
            if header.has(HTTP2Flag.endStream) { end(id) }
        case HTTP2FrameType.headers:
            blockEnds = header.has(HTTP2Flag.endStream)
            block = content ?? []
            if isServer, streams[id] == nil {
                if id <= lastStream || id % 2 == 0 { faults.append("\(header) not rising") }
                lastStream = id
                streams[id] = Stream()
            }
            endBlock(header)
        case HTTP2FrameType.continuation:
            if blockStream == 0 { faults.append("\(header) without a block") }
            block += payload
            endBlock(header)
        case HTTP2FrameType.resetStream: streams[id]?.isReset = true
        case HTTP2FrameType.settings:
            hasSettings = true
            if header.has(HTTP2Flag.ack) {
                guard !tableSizes.isEmpty else { return faults.append("ack of nothing") }
                if let size = tableSizes.removeFirst() { decoder.setLimit(size) }
                if countsStreams, initialWindows.count > 1 {
                    initialWindows.removeFirst()
                    settleInitialWindow()
                }
            } else {
                var size: UInt32?
                for index in 0..<payload.count / 6 {
                    let setting = HTTP2Setting(payload.span.bytes, at: index * 6)
                    if setting.id == HTTP2SettingID.headerTableSize { size = setting.value }
                    guard setting.id == HTTP2SettingID.initialWindowSize else { continue }
                    for id in streamSendWindows.keys {
                        streamSendWindows[id, default: 0] += Int(setting.value) - otherInitialWindow
                    }
                    otherInitialWindow = Int(setting.value)
                }
                settings.append(size)
            }
        case HTTP2FrameType.windowUpdate:
            let increment = Int((try? header.number(in: payload.span.bytes)) ?? 0)
            if increment == 0 { faults.append("update of nothing") }
            if id == 0 {
                sendWindow += increment
            } else {
                streamSendWindows[id, default: otherInitialWindow] += increment
            }
            if countsCredit, sendWindow > 65_535 { faults.append("more credit than was used") }
        case HTTP2FrameType.ping:
            if header.has(HTTP2Flag.ack) { answers.append(payload) } else { pings.append(payload) }
        case HTTP2FrameType.goAway:
            let goAway = try? header.goAway(in: payload.span.bytes)
            goAways.append(goAway?.errorCode ?? 99)
            if let last = lastStreams.last, last < goAway?.lastStreamID ?? .max { faults.append("last streams rise") }
            lastStreams.append(goAway?.lastStreamID ?? 0)
        default: break
        }
    }

    private func endBlock(_ header: HTTP2FrameHeader) {
        let id = header.streamID
        blockStream = header.has(HTTP2Flag.endHeaders) ? 0 : id
        guard blockStream == 0 else { return }
        var list = FieldList()
        do throws(HPACKError) {
            try decoder.decode(block.span.bytes, scratch: &scratch, into: &list)
        } catch {
            return faults.append("block of \(id): \(error)")
        }
        if streams[id]?.isEnded == true { faults.append("block of \(id) behind the end") }
        streams[id]?.blocks += 1
        if list.fields.count(where: { $0.name == "traceparent" }) > 1 { faults.append("two contexts on \(id)") }
        for field in list.fields { streams[id]?.fields[field.name] = field.value }
        if blockEnds { end(id) }
    }

    private func end(_ id: UInt32) {
        streams[id]?.isEnded = true
        news.append(id)
    }
}

/// Two strict ends with Weir between them, which decides about requests.
final class GovernedHTTP2 {
    let governed: GovernedBench
    let client = StrictEnd(isServer: false)
    let server = StrictEnd(isServer: true)
    var fromClient = HTTP2Speaker()
    var fromServer = HTTP2Speaker()
    /// What was said and has not reached Weir.
    var upQueue: [UInt8] = []
    var downQueue: [UInt8] = []
    private var upRead = 0
    private var downRead = 0
    private let session: Session
    /// Whether a plan said that the connection is to be closed.
    var isClosed = false
    /// What is drained.
    let drains = DrainRegistry()

    init(_ watching: Watching = .nothing) {
        governed = GovernedBench(watching)
        session = governed.session
        governed.governor.verdicts = [
            "no": .reply(LocalReply(text: "over the limit")), "more": .insert(key: "Mark", value: "m ü"),
        ]
    }

    func greet() {
        upQueue += H2.preface + H2.settings([(2, 0)])
        client.sent(tableSize: nil)
        downQueue += H2.settings([(3, 1000)])
        server.sent(tableSize: nil)
    }

    /// Weir reads so much of what the client said, at most.
    func moveUp(_ count: Int) {
        let piece = upQueue.prefix(count)
        guard !piece.isEmpty else { return }
        governed.bench.plan.removeAll()
        let bytes = Array(piece)
        governed.bench.inspector.receive(
            session,
            bytes: bytes.span.bytes,
            going: .toUpstream,
            now: 1000,
            plan: &governed.bench.plan
        )
        let isWithin = governed.up.take(bytes, governed.bench.plan)
        #expect(isWithin)
        governed.down.addReplies(governed.bench.plan.reply)
        isClosed = isClosed || governed.bench.plan.closes
        upQueue.removeFirst(bytes.count)
        deliver()
    }

    /// So long nothing more has come that what is held back is released.
    func release(now: UInt64) {
        let inspector = governed.bench.inspector
        guard inspector.isReleaseDue(now: now) else { return }
        inspector.beginReleases()
        governed.bench.plan.removeAll()
        guard inspector.isReleaseDue(session, now: now),
            inspector.release(session, .toUpstream, now: now, plan: &governed.bench.plan)
        else { return }
        carryOutUp()
    }

    /// The client says no more.
    func endUp() {
        governed.bench.plan.removeAll()
        governed.bench.inspector.ended(session, .toUpstream, now: 1000, plan: &governed.bench.plan)
        carryOutUp()
    }

    private func carryOutUp() {
        let isWithin = governed.up.take([], governed.bench.plan)
        #expect(isWithin)
        governed.down.addReplies(governed.bench.plan.reply)
        isClosed = isClosed || governed.bench.plan.closes
        deliver()
    }

    /// Only drains decide about requests.
    func decidesByDrains() {
        governed.bench.inspector.rules = nil
        governed.bench.inspector.drainGate = DrainGate(registry: drains, operations: governed.bench.registry)
    }

    /// Begins a drain at 1,500, behind what ``moveUp(_:)`` has moved.
    func drain(_ target: DrainTarget, signalling: DrainSignalling = .auto) {
        let times = (grace: UInt64(1) << 40, deadline: UInt64(1) << 41)
        drains.begin(
            DrainOrder(
                target: target,
                now: 1500,
                grace: times.grace,
                deadline: times.deadline,
                signalling: signalling
            )
        )
        changeDrains()
    }

    /// Begins a drain of the service that refuses at once.
    func refuse(signalling: DrainSignalling = .auto) {
        drains.begin(DrainOrder(target: .service, now: 0, grace: 0, deadline: 1 << 41, signalling: signalling))
        changeDrains()
    }

    func undrain(_ target: DrainTarget) {
        drains.end(target)
        changeDrains()
    }

    private func changeDrains() {
        governed.bench.inspector.drainsChanged()
        governed.bench.plan.removeAll()
        governed.bench.inspector.signalDrains(session, now: 1500, plan: &governed.bench.plan)
        #expect(governed.bench.plan.edits.isEmpty && !governed.bench.plan.forwardsAll)
        governed.down.addReplies(governed.bench.plan.reply)
        isClosed = isClosed || governed.bench.plan.closes
        deliver()
    }

    /// Weir reads so much of what the server said, at most.
    func moveDown(_ count: Int, isBoundaryWanted: Bool = true) {
        let piece = downQueue.prefix(count)
        guard !piece.isEmpty else { return }
        governed.bench.plan.removeAll()
        governed.bench.plan.isBoundaryWanted = isBoundaryWanted
        let bytes = Array(piece)
        governed.bench.inspector.receive(
            session,
            bytes: bytes.span.bytes,
            going: .toDownstream,
            now: 2000,
            plan: &governed.bench.plan
        )
        let isWithin = governed.down.take(bytes, governed.bench.plan)
        #expect(isWithin)
        governed.up.addReplies(governed.bench.plan.reply)
        isClosed = isClosed || governed.bench.plan.closes
        downQueue.removeFirst(bytes.count)
        deliver()
    }

    private func deliver() {
        server.receive(governed.up.output[upRead...])
        upRead = governed.up.output.count
        client.receive(governed.down.output[downRead...])
        downRead = governed.down.output.count
    }

    func moveAll() {
        while !upQueue.isEmpty || !downQueue.isEmpty {
            moveUp(1 << 16)
            moveDown(1 << 16)
        }
    }
}
