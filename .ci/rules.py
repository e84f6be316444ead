#!/usr/bin/env python3
"""Checks what neither the compiler nor swift format does: which module may know which, and how long a file may be.

usage: .ci/rules.py
Prints every breach as path:line: text; exit code 1 when there is one.
"""
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
MAX_FILE_LINES = 500
MAX_LINE_CHARACTERS = 120

# What each module may import besides the standard library: the arrows of docs/architecture.md, which point down only.
ARROWS = {
    "Wire": set(),
    "Calls": {"Wire", "Synchronization"},
    "Hessian": {"Wire"},
    "Dubbo": {"Wire", "Calls", "Hessian"},
    "HTTP1": {"Wire", "CZlib"},
    "HTTP2": {"Wire"},
    "JSONRPC": {"Wire", "Calls"},
    "Triple": {"Wire", "Calls"},
    "Telemetry": {"Wire", "Calls", "Synchronization"},
    "Policy": {"Wire", "Calls", "CLinux", "CPcre2", "Synchronization"},
    "Inspection": {
        "Wire", "Calls", "Hessian", "Dubbo", "HTTP1", "HTTP2", "JSONRPC", "Triple", "Telemetry", "Policy",
        "Synchronization",
    },
    "Clocks": {"CLinux"},
    "Relay": {"Wire", "Calls", "Clocks", "Inspection", "Telemetry", "Policy", "CLinux", "Glibc", "Synchronization"},
    "Capture": {"Wire", "Calls", "Inspection", "CPcap", "CLinux", "Glibc"},
    "Settings": {"Calls", "Policy", "CYaml", "Glibc"},
    "Interception": {"Settings", "CLinux", "Glibc"},
    "Demo": {
        "Wire", "Calls", "Clocks", "Hessian", "Dubbo", "HTTP1", "HTTP2", "JSONRPC", "Triple", "CLinux", "Glibc",
        "Synchronization",
    },
    "Admin": {
        "Calls", "Clocks", "Telemetry", "CZlib", "Glibc", "Synchronization", "Logging", "ServiceLifecycle", "HTTPTypes",
        "Hummingbird", "HummingbirdCore", "NIOCore", "NIOHTTP1", "NIOPosix",
    },
    # Generated; its Foundation stands where it is never compiled.
    "OTLP": {"SwiftProtobuf", "FoundationEssentials", "Foundation"},
    "Export": {
        "Wire", "Calls", "Clocks", "Telemetry", "OTLP", "CZlib", "Glibc", "Synchronization", "FoundationEssentials",
        "AsyncHTTPClient", "GRPCCore", "GRPCNIOTransportHTTP2Posix", "Logging", "NIOCore", "NIOHTTP1", "NIOPosix",
        "NIOSSL", "ServiceLifecycle", "SwiftProtobuf",
    },
    "weir": {
        "Wire", "Calls", "Clocks", "HTTP1", "Telemetry", "Policy", "Inspection", "Relay", "Capture", "Settings",
        "Interception", "Admin", "Export", "Demo", "CLinux", "ArgumentParser",
        "Dispatch", "Glibc", "Logging", "ServiceLifecycle", "Synchronization", "UnixSignals",
    },
}

IMPORT = re.compile(
    r"^\s*(?:@\w+\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+"
    r"(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?(\w+)"
)
POINTERS = re.compile(r"\b(?:withUnsafe|Unsafe(?:Mutable)?(?:Raw)?(?:Buffer)?Pointer|Unmanaged|OpaquePointer)\w*")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|fatalError|unimplemented)\b")
# The cores, but for Wire, see bytes through spans only.
CORES = {"Calls", "Hessian", "Dubbo", "HTTP1", "HTTP2", "JSONRPC", "Triple", "Telemetry", "Policy", "Inspection"}
# Where they must not: the wrappers of PCRE2 and zlib, memory that processes share, and references that are not to be
# counted on every decision.
WRAPPERS = {"PCREPattern.swift", "Inflater.swift", "LimitCandidates.swift", "SharedMemory.swift", "SharedWords.swift"}

breaches = []


def breach(path, line, text):
    breaches.append(f"{path.relative_to(TOP)}:{line}: {text}")


def check_source(path, module):
    lines = path.read_text(encoding="utf8").splitlines()
    is_generated = path.name.endswith(".pb.swift")
    if len(lines) > MAX_FILE_LINES and not is_generated and not path.stem.endswith("+Table"):
        breach(path, len(lines), f"longer than {MAX_FILE_LINES} lines: cut it by aspect")
    for number, line in enumerate(lines, 1):
        found = IMPORT.match(line)
        if found and found[1] not in ARROWS[module]:
            breach(path, number, f"{module} may not import {found[1]}")
        if module in CORES and path.name not in WRAPPERS and POINTERS.search(line.split("//")[0]) and "withUnsafeBytes" not in line:
            breach(path, number, "pointer work belongs in Wire or in the one file that wraps a C library")
        if UNFINISHED.search(line):
            breach(path, number, "unfinished")
        if len(line) > MAX_LINE_CHARACTERS and not is_generated:
            breach(path, number, f"longer than {MAX_LINE_CHARACTERS} characters")


def check_sources():
    for folder in sorted((TOP / "Sources").iterdir()):
        sources = sorted(folder.rglob("*.swift"))
        if sources and folder.name not in ARROWS:
            breach(sources[0], 1, f"the module {folder.name} has no arrows in .ci/rules.py")
            continue
        for path in sources:
            check_source(path, folder.name)


def check_paths():
    """Nothing may know the machine it was written on."""
    pattern = r"/(work|root|home|Users)/[A-Za-z_]|/tmp/w/"
    found = subprocess.run(
        ["git", "-C", str(TOP), "grep", "-nIE", "--untracked", pattern, "--", ":!.ci/rules.py", ":!Tests/Goldens"],
        capture_output=True, text=True, check=False,
    )
    if found.returncode not in (0, 1):
        sys.exit(f"rules: git grep failed: {found.stderr}")
    breaches.extend(f"{line} (a path of one machine)" for line in found.stdout.splitlines())


check_sources()
check_paths()
print("\n".join(breaches) if breaches else "no breach", file=sys.stderr if breaches else sys.stdout)
sys.exit(1 if breaches else 0)
