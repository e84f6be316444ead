/// Puts events together to a tree, with an explicit stack.
struct YAMLTreeBuilder {
    /// What a mapping waits for.
    private enum Slot {
        case key
        case value(of: String, keyAt: YAMLPosition)
        /// A list or mapping in the place of a key is open.
        case refusedKey
        /// The value of a key that is refused is passed over.
        case refusedValue
    }

    /// A list or mapping that has not ended.
    private struct Frame {
        let position: YAMLPosition
        let isMapping: Bool
        var items: [YAMLNode] = []
        var entries: [YAMLEntry] = []
        var firstLines: [String: Int] = [:]
        var slot = Slot.key

        var node: YAMLNode {
            YAMLNode(content: isMapping ? .mapping(entries) : .sequence(items), position: position)
        }

        var openKey: String? {
            guard isMapping, case .value(let key, _) = slot else { return nil }
            return key
        }

        var expectsKey: Bool {
            guard isMapping, case .key = slot else { return false }
            return true
        }
    }

    private(set) var root: YAMLNode?
    private(set) var problems: [YAMLProblem] = []
    private var stack: [Frame] = []
    private var documents = 0

    /// Reads to the end or to the first thing that cannot be read past, and closes what is open then.
    ///
    /// - Returns: Whether the end was reached.
    mutating func read(_ reader: inout YAMLEventReader) -> Bool {
        do throws(YAMLSyntaxError) {
            while true {
                let event = try reader.next()
                if event.kind == .streamEnd { return true }
                guard take(event) else { break }
            }
        } catch {
            report(error.reason, at: error.position)
        }
        while let frame = stack.popLast() {
            add(frame.node)
        }
        return false
    }

    /// Notes a problem under the keys that are open.
    mutating func report(_ reason: String, at position: YAMLPosition) {
        guard problems.count < YAMLDocument.maxProblems else { return }
        let isLast = problems.count == YAMLDocument.maxProblems - 1
        let path = stack.compactMap { $0.openKey?.printable }.joined(separator: ".")
        problems.append(
            YAMLProblem(position: position, keyPath: path, reason: isLast ? "and more problems from here on" : reason)
        )
    }

    /// Takes one event in; `false` ends the reading.
    private mutating func take(_ event: YAMLEvent) -> Bool {
        if event.hasAnchor { report("anchors (&) are not taken", at: event.position) }
        if event.hasTag { report("tags (!) are not taken", at: event.position) }
        switch event.kind {
        case .documentStart:
            documents += 1
            guard documents == 1 else {
                report("a second document, only one is taken", at: event.position)
                return false
            }
        case .scalar(let text, let isQuoted):
            if stack.last?.expectsKey == true {
                open(key: text, at: event.position)
            } else {
                add(YAMLNode(content: .scalar(text: text, isQuoted: isQuoted), position: event.position))
            }
        case .alias:
            report("aliases (*) are not taken", at: event.position)
            if stack.last?.expectsKey == true { stack[stack.count - 1].slot = .refusedKey }
            add(YAMLNode(content: .refused, position: event.position))
        case .sequenceStart, .mappingStart:
            return begin(isMapping: event.kind == .mappingStart, at: event.position)
        case .sequenceEnd, .mappingEnd:
            if let frame = stack.popLast() { add(frame.node) }
        case .documentEnd, .streamEnd:
            break
        }
        return true
    }

    private mutating func begin(isMapping: Bool, at position: YAMLPosition) -> Bool {
        guard stack.count < YAMLDocument.maxDepth else {
            report("nested deeper than \(YAMLDocument.maxDepth) levels", at: position)
            return false
        }
        if stack.last?.expectsKey == true {
            report("a key must be a text", at: position)
            stack[stack.count - 1].slot = .refusedKey
        }
        stack.append(Frame(position: position, isMapping: isMapping))
        return true
    }

    private mutating func open(key: String, at position: YAMLPosition) {
        let top = stack.count - 1
        stack[top].slot = .value(of: key, keyAt: position)
        if let line = stack[top].firstLines[key] {
            report("given twice, first in line \(line)", at: position)
            stack[top].slot = .refusedValue
        } else {
            stack[top].firstLines[key] = position.line
        }
    }

    /// Puts a whole value where it belongs.
    private mutating func add(_ node: YAMLNode) {
        let top = stack.count - 1
        guard top >= 0 else {
            root = node
            return
        }
        guard stack[top].isMapping else {
            stack[top].items.append(node)
            return
        }
        switch stack[top].slot {
        case .value(let key, let keyAt):
            stack[top].entries.append(YAMLEntry(key: key, position: keyAt, value: node))
            stack[top].slot = .key
        case .refusedKey:
            stack[top].slot = .refusedValue
        case .refusedValue, .key:
            stack[top].slot = .key
        }
    }
}
