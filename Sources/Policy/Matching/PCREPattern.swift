internal import CPcre2
internal import Wire

/// A compiled PCRE2 expression; the only place, with ``PCREScratch``, that touches the library.
///
/// Texts are taken as UTF-8; other bytes match nothing and are harmless. `$` means the very end.
@safe final class PCREPattern: Sendable {
    /// The deepest nesting of parentheses.
    private static let maxNesting: UInt32 = 50

    // SAFETY: the code is never changed once the initialiser is done, and PCRE2 lets threads share such code.
    nonisolated(unsafe) private let code: OpaquePointer

    /// Compiles an expression, to machine code where the platform can.
    ///
    /// - Parameter text: The expression without slashes.
    /// - Throws: PCRE2's words and the offset they are about.
    init(_ text: String) throws(PatternProblem) {
        guard let context = unsafe pcre2_compile_context_create_8(nil) else {
            throw PatternProblem(offset: 0, reason: "out of memory")
        }
        // SAFETY: the context was created above and is given back at the end of this initialiser.
        defer { unsafe pcre2_compile_context_free_8(context) }
        _ = unsafe pcre2_set_parens_nest_limit_8(context, Self.maxNesting)
        let options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY
        var number: Int32 = 0
        var offset = 0
        let bytes = Array(text.utf8)
        // SAFETY: PCRE2 reads `count` bytes during the call and keeps no pointer to them.
        let compiled = unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe pcre2_compile_8(bytes.baseAddress, bytes.count, options, &number, &offset, context)
        }
        guard let compiled = unsafe compiled else {
            throw PatternProblem(offset: offset, reason: Self.reason(number))
        }
        // Without a JIT for this machine the interpreter is used: slower, under the same limits.
        _ = unsafe pcre2_jit_compile_8(compiled, PCRE2_JIT_COMPLETE)
        unsafe code = compiled
    }

    deinit {
        // SAFETY: the only owner gives the code back.
        unsafe pcre2_code_free_8(code)
    }

    /// Searches for the expression in a text.
    ///
    /// - Parameters:
    ///   - text: Any bytes.
    ///   - scratch: The caller's own; not used by another thread meanwhile.
    /// - Returns: The result: found, not found, or given up.
    func search(_ text: RawSpan, _ scratch: borrowing PCREScratch) -> PCREOutcome {
        unsafe text.withUnsafeBytes { bytes in
            guard let data = unsafe scratch.data, let context = unsafe scratch.context else { return .givenUp }
            // SAFETY: a text of no bytes may have no address; PCRE2 wants one all the same and reads nothing there.
            var nothing: UInt8 = 0
            let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
            // SAFETY: code, data and context are alive; PCRE2 reads `count` bytes during the call only.
            let answer =
                if let start = unsafe start {
                    unsafe pcre2_match_8(code, start, bytes.count, 0, 0, data, context)
                } else {
                    unsafe pcre2_match_8(code, &nothing, 0, 0, 0, data, context)
                }
            if answer >= 0 { return .found }
            return answer == PCRE2_ERROR_NOMATCH ? .absent : .givenUp
        }
    }

    private static func reason(_ number: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        // SAFETY: PCRE2 writes at most `count` bytes with a zero at the end.
        let length = unsafe buffer.withUnsafeMutableBufferPointer { buffer in
            unsafe pcre2_get_error_message_8(number, buffer.baseAddress, buffer.count)
        }
        return String(decoding: buffer.prefix(max(0, Int(length))), as: UTF8.self)
    }
}

/// The result of a search.
enum PCREOutcome {
    /// The expression matches.
    case found
    /// It does not.
    case absent
    /// A bound on the search was reached first.
    case givenUp
}

/// The memory that a search needs besides the expression: one a thread.
@safe struct PCREScratch: ~Copyable {
    /// The most steps of a search: a tenth of a millisecond or so.
    static let matchLimit: UInt32 = 10_000
    /// The deepest nesting of the interpreter; compiled expressions have a stack of 32 KiB instead.
    static let depthLimit: UInt32 = 1_000
    /// The most memory of the interpreter, in KiB.
    private static let heapLimit: UInt32 = 256

    fileprivate let data: OpaquePointer?
    fileprivate let context: OpaquePointer?

    /// Memory for searches; without memory no search finds anything.
    init() {
        // SAFETY: both belong to this value alone and are given back once, in `deinit`.
        unsafe data = pcre2_match_data_create_8(1, nil)
        unsafe context = pcre2_match_context_create_8(nil)
        guard let context = unsafe context else { return }
        _ = unsafe pcre2_set_match_limit_8(context, Self.matchLimit)
        _ = unsafe pcre2_set_depth_limit_8(context, Self.depthLimit)
        _ = unsafe pcre2_set_heap_limit_8(context, Self.heapLimit)
    }

    deinit {
        // SAFETY: as in `init`; both functions take nil.
        unsafe pcre2_match_data_free_8(data)
        unsafe pcre2_match_context_free_8(context)
    }
}
