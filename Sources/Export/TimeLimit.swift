/// The error of a task that took longer than its limit.
struct TimeLimitExceeded: Error {}

/// Runs `body` for at most as long as it may; it is cancelled afterwards.
///
/// - Parameters:
///   - limit: The longest time it may take.
///   - body: The task.
/// - Returns: The result of `body`.
/// - Throws: ``TimeLimitExceeded``, or what `body` threw.
func withTimeLimit<Value: Sendable>(
    _ limit: Duration,
    _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { tasks in
        tasks.addTask { try await body() }
        tasks.addTask {
            try await Task.sleep(for: limit)
            throw TimeLimitExceeded()
        }
        defer { tasks.cancelAll() }
        guard let value = try await tasks.next() else { throw TimeLimitExceeded() }
        return value
    }
}
