internal import Admin
internal import Calls
internal import Clocks
internal import Logging
internal import Policy
internal import Relay
internal import Settings
internal import Synchronization
internal import Telemetry

/// The limits in force: where they come from, and what the admin API says of them.
final class LimitsControl: Sendable {
    let registry: LimitRegistry
    /// The limits file by which limits were put in force over the admin API; `nil` when they are those of the files.
    private let text: Mutex<String?>
    private let isCountedElsewhere = Atomic<Bool>(false)
    /// What is handed over: ``replacement``, and all limits in force as a limits file.
    private static let (replacementWord, allWord) = ("limits", "limits-in-force")

    /// Puts limits in force.
    ///
    /// - Parameters:
    ///   - document: The limits.
    ///   - replacement: What they were read from if that came over the admin API of a process before.
    ///   - inherited: Limits of a process before, in whose windows these go on where they are the same.
    /// - Throws: The problem with them.
    init(
        _ document: LimitsDocument,
        replacement: String? = nil,
        inheriting inherited: InheritedLimits? = nil
    ) throws(LimitSetError) {
        registry = LimitRegistry(
            try LimitSet(
                definitions: document.definitions,
                budgetBytes: document.budgetBytes,
                inheriting: inherited,
                clock: { SystemClock.now() }
            )
        )
        text = Mutex(replacement)
    }

    /// Puts the limits in force that a process before has handed over, else those of the files.
    ///
    /// Limits that are the same go on in its windows, for both processes together.
    ///
    /// - Parameters:
    ///   - document: The limits of the files.
    ///   - state: What was handed over.
    ///   - logger: Told when what was handed over cannot be used.
    /// - Throws: The problem with the files' limits.
    convenience init(_ document: LimitsDocument, from state: TakeoverState?, logger: Logger) throws(LimitSetError) {
        let inherited = state.map { InheritedLimits(descriptors: $0.takeDescriptors()) }
        let text = state?.texts[Self.replacementWord].map { String(decoding: $0, as: UTF8.self) }
        if let text {
            do {
                let replacement = try LimitsFile.read(text: text, path: "limits of the process before")
                try self.init(replacement, replacement: text, inheriting: inherited)
                return
            } catch {
                let problem = "\(error)"
                logger.error(
                    "the limits set over the admin API are not taken over",
                    metadata: ["problem": "\(problem)"]
                )
            }
        }
        try self.init(document, inheriting: inherited)
    }

    /// What other processes are given: the memory of the limits in force, these as a file, and what came over the
    /// admin API.
    ///
    /// - Parameter others: Other texts for them.
    /// - Returns: All of it.
    func handedState(with others: [String: [UInt8]]) -> TakeoverState {
        registry.withDescriptors { descriptors in
            var texts = others
            texts[Self.allWord] = fileText.yamlBytes
            if let replacement { texts[Self.replacementWord] = Array(replacement.utf8) }
            return TakeoverState(texts: texts, duplicating: descriptors)
        }
    }

    /// The limits in force as a limits file.
    private var fileText: JSONText {
        let set = registry.current
        var json = JSONText()
        json.beginObject()
        json.key("budget")
        json.string("\(set.budgetBytes)B")
        json.key("limits")
        json.beginArray()
        for limit in set.limits { limit.definition.writeForm(to: &json) }
        json.endArray()
        json.endObject()
        return json
    }

    /// Puts the limits in force that the newest process has, in its windows.
    ///
    /// - Parameter state: The state that it handed over.
    /// - Throws: The problem with that; the old ones stay in force then.
    func follow(_ state: TakeoverState) throws {
        let inherited = InheritedLimits(descriptors: state.takeDescriptors())
        let all = String(decoding: state.texts[Self.allWord] ?? [], as: UTF8.self)
        let replacement = state.texts[Self.replacementWord].map { String(decoding: $0, as: UTF8.self) }
        let document = try LimitsFile.read(text: all, path: "limits of the process that follows")
        try replace(document, text: replacement, inheriting: inherited)
        // One that did not go on where this one was counts for itself, and so does this one.
        isCountedElsewhere.store(registry.current.isShared(with: inherited), ordering: .relaxed)
    }

    /// A process that has the memory has taken over, and tells how limits have decided from now on: for both.
    func countedBySuccessor() { if registry.current.isShareable { isCountedElsewhere.store(true, ordering: .relaxed) } }

    /// The limits file that came over the admin API, in force until the next reload; `nil` for those of the files.
    private var replacement: String? { text.withLock { $0 } }

    /// Puts other limits in force; those that are the same go on counting.
    ///
    /// - Parameters:
    ///   - document: The limits.
    ///   - text: What they were read from if it came over the admin API; `nil` when they are those of the files.
    ///   - inherited: Limits of a process that shares these and has put the same in force before.
    /// - Throws: The problem with them; the old ones stay in force then.
    func replace(
        _ document: LimitsDocument,
        text: String?,
        inheriting inherited: InheritedLimits? = nil
    ) throws(LimitSetError) {
        try registry.replace(
            definitions: document.definitions,
            budgetBytes: document.budgetBytes,
            inheriting: inherited
        )
        self.text.withLock { $0 = text }
    }

    /// True if a successor reports the decisions of limits, those of this process too.
    var isToldBySuccessor: Bool { isCountedElsewhere.load(ordering: .relaxed) }

    /// How each limit has decided, for the metrics page.
    var readings: [LimitReadings] {
        registry.current.limits.map { limit in
            let counts = limit.counts
            return LimitReadings(
                name: limit.definition.name,
                allowed: counts.allowed,
                rejected: counts.rejected,
                wouldReject: counts.wouldReject
            )
        }
    }

    /// The answer of `/v1/limits`.
    ///
    /// - Parameter hidden: Attachments and headers what is wanted of which prints as `***`.
    /// - Returns: An object.
    func report(hiding hidden: [String]) -> JSONText {
        let set = registry.current
        var json = JSONText()
        json.beginObject()
        json.key("from")
        json.string(replacement != nil ? "api, until the next reload" : "files")
        json.key("budget_bytes")
        json.number(set.budgetBytes)
        json.key("worst_case_bytes")
        json.number(set.worstCaseBytes)
        json.key("limits")
        json.beginArray()
        for limit in set.limits { limit.write(to: &json, hidden) }
        json.endArray()
        json.endObject()
        json.endLine()
        return json
    }
}

extension Limit {
    /// Appends the limit and how it has decided as an object.
    fileprivate func write(to json: inout JSONText, _ hidden: [String]) {
        let counts = counts
        json.beginObject()
        json.key("name")
        json.string(definition.name)
        json.key("algorithm")
        json.string(definition.algorithm.name)
        json.key("mode")
        json.string(definition.mode.rawValue)
        let numbers: [(StaticString, UInt64)] = [
            ("allowed", counts.allowed), ("rejected", counts.rejected), ("would_reject", counts.wouldReject),
            ("matches_given_up", counts.givenUp), ("keys_in_use", UInt64(keysInUse)),
            ("bytes_in_use", UInt64(bytesInUse)),
        ]
        for (name, number) in numbers {
            json.key(name)
            json.number(number)
        }
        json.key("definition")
        definition.writeForm(to: &json, hiding: hidden)
        json.endObject()
    }
}
