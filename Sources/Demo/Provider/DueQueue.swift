/// Elements with due times, the earliest first: a binary heap.
struct DueQueue<Element: Sendable>: Sendable {
    private var heap: [(due: UInt64, element: Element)] = []

    var count: Int { heap.count }

    /// The due time of the first element, on the monotonic clock; `nil` if there is none.
    var nextDue: UInt64? { heap.first?.due }

    mutating func insert(_ element: Element, due: UInt64) {
        heap.append((due, element))
        var at = heap.count - 1
        while at > 0, heap[at].due < heap[(at - 1) / 2].due {
            heap.swapAt(at, (at - 1) / 2)
            at = (at - 1) / 2
        }
    }

    /// Removes the first element if it is due at `now`.
    mutating func popDue(at now: UInt64) -> Element? {
        guard let first = heap.first, first.due <= now else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            siftDown()
        }
        return first.element
    }

    private mutating func siftDown() {
        var at = 0
        while true {
            let (left, right) = (2 * at + 1, 2 * at + 2)
            var least = at
            if left < heap.count, heap[left].due < heap[least].due { least = left }
            if right < heap.count, heap[right].due < heap[least].due { least = right }
            if least == at { return }
            heap.swapAt(at, least)
            at = least
        }
    }
}
