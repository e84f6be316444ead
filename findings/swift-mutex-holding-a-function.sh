#!/usr/bin/env bash
# A function that a Mutex of Swift's Synchronization holds by itself grows with each time it is read.
#
# Expected: `mutex.withLock { $0 }` copies the function, and a call of the copy costs what it always did. Seen: each read
# leaves one more wrapper (a reabstraction thunk) around the function that is kept, so that a call goes through all of
# them, each with a part of the stack. A struct around the function is read without that.
#
# Swift 6.3.1 on Linux x86_64, which scripts/setup of this repository asks for; nothing else is needed.
set -euo pipefail
command -v swiftc >/dev/null || { echo "needs swiftc" >&2; exit 69; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/main.swift" <<'SWIFT'
import Glibc
import Synchronization

@inline(never) func place() -> UInt {
    var local: UInt8 = 0
    return withUnsafePointer(to: &local) { UInt(bitPattern: $0) }
}

struct Wrapped: Sendable { var call: @Sendable () -> UInt }

let bare = Mutex<(@Sendable () -> UInt)?>({ place() })
let wrapped = Mutex<Wrapped?>(Wrapped { place() })

/// How much stack is between here and the function that was read.
@inline(never) func stackOfBare() -> UInt {
    let function = bare.withLock { $0 }
    return place() - function!()
}

@inline(never) func stackOfWrapped() -> UInt {
    let function = wrapped.withLock { $0 }
    return place() - function!.call()
}

let before = (stackOfBare(), stackOfWrapped())
for _ in 0..<1000 {
    _ = bare.withLock { $0 }
    _ = wrapped.withLock { $0 }
}
let after = (stackOfBare(), stackOfWrapped())
print("stack of a call before and after 1,000 reads, in bytes: the function \(before.0), \(after.0);",
    "in a struct \(before.1), \(after.1)")
exit(after.0 >= before.0 + 16_000 && after.1 == before.1 ? 0 : 1)
SWIFT
swiftc --version 2>/dev/null | head -n 1
swiftc -Onone "$folder/main.swift" -o "$folder/main"
"$folder/main" || { echo "the behaviour has changed" >&2; exit 1; }
