#!/usr/bin/env python3
"""Checks what neither the compiler nor swift format does: which module may know which, how long a file and a function
may be, how many parameters may lack a label, and how much a type of Inspection may store.

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

# Functions of more lines, with the reason that each is better in one piece. The key is the file and the function's
# name; an entry that is not needed any more is a breach, too.
LONG_FUNCTIONS = {
    "Sources/Dubbo/Bodies/RequestFastPath.swift parseFast(_:)":
        "one pass over the body, whose state has to stay in registers",
    "Sources/Hessian/HessianScanner+Run.swift beginValue(_:_:isOutermost:)":
        "one switch: Hessian's table of lead bytes",
}
MAX_FUNCTION_LINES = 40

# Types of Inspection with more stored properties; likewise.
LARGE_TYPES = {}
MAX_STORED_PROPERTIES = 15

MAX_UNLABELLED = 2
# Modules whose functions are still being given labels.
UNLABELLED_YET = {"Inspection"}

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


# A scanner of Swift's declarations, as far as the rules below need them.


def blanked(text):
    """The text with the insides of comments and string literals turned to spaces; lines and offsets stay."""
    out, at, size = list(text), 0, len(text)

    def blank(start, end):
        for place in range(start, min(end, size)):
            if out[place] != "\n":
                out[place] = " "

    def comment(start):
        depth, place = 1, start + 2
        while place < size and depth:
            if text.startswith("/*", place):
                depth, place = depth + 1, place + 2
            elif text.startswith("*/", place):
                depth, place = depth - 1, place + 2
            else:
                place += 1
        return place

    def interpolation(start):
        """The place behind the parenthesis that closes the one at start."""
        depth, place = 0, start
        while place < size:
            if text[place] in "\"#" and (literal := STRING.match(text, place)):
                place = string(place, literal)
                continue
            depth += {"(": 1, ")": -1}.get(text[place], 0)
            place += 1
            if depth == 0:
                break
        return place

    def string(start, literal):
        """The place behind a string literal, whose hashes and quotes begin at start."""
        hashes, quotes = literal[1], literal[2]
        escape, place = "\\" + hashes, literal.end()
        while place < size:
            if text.startswith(escape, place):
                place += len(escape)
                place = interpolation(place) if text.startswith("(", place) else place + 1
            elif text.startswith(quotes + hashes, place):
                return place + len(quotes + hashes)
            elif text[place] == "\n" and quotes == '"':
                return place
            else:
                place += 1
        return size

    while at < size:
        if text.startswith("//", at):
            end = text.find("\n", at)
            end = size if end < 0 else end
        elif text.startswith("/*", at):
            end = comment(at)
        elif text[at] in "\"#" and (literal := STRING.match(text, at)):
            end = string(at, literal)
        else:
            at += 1
            continue
        blank(at, end)
        at = end
    return "".join(out)


STRING = re.compile(r'(#*)("""|")')
FUNCTION = re.compile(r"(?<![\w.`$])(?:func\s+([^\s(<]+|<[^\s(]*)|(init)[?!]?(?=\s*[(<]))")
TYPE = re.compile(r"(?<![\w.`$])(class|struct|actor|enum)\s+(\w+)[^{}();=]*\{")
PROPERTY = re.compile(r"(?<![\w.`$])(?:let|var)\s+")
PARTNERS = {"(": ")", "[": "]", "{": "}"}


def closing(text, start):
    """The place of the bracket that closes the one at start, in blanked text."""
    depth = 0
    for place in range(start, len(text)):
        if text[place] in "([{":
            depth += 1
        elif text[place] in ")]}":
            depth -= 1
            if depth == 0:
                return place
    return len(text) - 1


def split(text):
    """The parts of blanked text between its outermost commas."""
    parts, depth, start = [], 0, 0
    for place, character in enumerate(text):
        if character in "([{<":
            depth += 1
        elif character in ")]}" or character == ">" and text[place - 1] != "-":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


def body(text, start):
    """The place of the brace that opens the body of a function whose parameters end before start; None without one."""
    place = start
    while place < len(text):
        if text[place] in "([":
            place = closing(text, place)
        elif text[place] == "{":
            return place
        elif text[place] in "}@;" or re.compile(r"\n\s*(?:[a-z]+(?:\(\w+\))?\s+)*(?:func|init|var|let|case|subscript|"
                                                r"associatedtype|typealias|static|class|struct|enum|#)\b").match(text, place):
            return None
        place += 1
    return None


def functions(text):
    """Each function and initialiser of blanked text: its place, name with labels, unlabelled parameters, lines of body."""
    for found in FUNCTION.finditer(text):
        start = text.find("(", found.end())
        name = found[1] or "init"
        if start < 0:
            continue
        end = closing(text, start)
        labels = [re.sub(r"@\w+(\([^)]*\))?\s*", "", part).split(":")[0].split()[0] for part in split(text[start + 1:end])]
        opening = body(text, end + 1)
        lines = 0
        if opening is not None:
            lines = max(0, text.count("\n", opening, closing(text, opening)) - 1)
        spelled = f"{name}({''.join(label + ':' for label in labels)})"
        is_operator = not re.match(r"[\w`]", name)
        yield found.start(), spelled, 0 if is_operator else labels.count("_"), lines


def stored_properties(text):
    """Each type of blanked text: its place, its name, and the names of its stored properties."""
    for found in TYPE.finditer(text):
        start = found.end() - 1
        inside = outermost(text[start + 1:closing(text, start)])
        names = []
        for property_ in PROPERTY.finditer(inside):
            line = inside.rfind("\n", 0, property_.start()) + 1
            if re.search(r"\b(?:static|class|case)\b", inside[line:property_.start()]):
                continue
            names += stored(inside, property_.end())
        yield found.start(), found[2], names


def outermost(text):
    """The text with everything in nested braces turned to spaces, but for a first word that makes a property stored."""
    out, depth = [], 0
    keep = 0
    for place, character in enumerate(text):
        if character == "{":
            depth += 1
            if depth == 1:
                keep = place + 1 + re.compile(r"(?:\s*(?:didSet|willSet)\b)?").match(text, place + 1).end() - place - 1
        out.append(character if depth == 0 or place < keep or character == "\n" or depth == 1 and character in "{}" else " ")
        if character == "}":
            depth -= 1
    return "".join(out)


def stored(text, start):
    """The names of the stored properties that a let or var declares, whose names begin at start."""
    names, place = [], start
    while True:
        if text[place] == "(":
            end = closing(text, place)
            names += [part.split(":")[0].strip() for part in split(text[place + 1:end])]
            place = end + 1
        else:
            name = re.compile(r"`?\w+`?").match(text, place)
            names.append(name[0])
            place = name.end()
        end = declaration_end(text, place)
        accessors = re.search(r"\{\s*(\w*)", text[place:end])
        if accessors and "=" not in text[place:place + accessors.start()] and accessors[1] not in ("didSet", "willSet"):
            return names[:-1]
        if end >= len(text) or text[end] != ",":
            return names
        place = end + 1 + len(re.match(r"\s*", text[end + 1:])[0])


def declaration_end(text, start):
    """The place of the comma behind one of several properties, or of the end of the line that ends the declaration."""
    depth, place = 0, start
    while place < len(text):
        if text[place] in "([{" or text[place] == "<" and text[place - 1] != " ":
            depth += 1
        elif text[place] in ")]}" or text[place] == ">" and text[place - 1] not in "- ":
            depth -= 1
        elif depth <= 0 and text[place] == ",":
            return place
        elif depth <= 0 and text[place] == "\n" and not re.match(r"\s*[{=.?:&|+]", text[place:]):
            if not re.search(r"[=:,?&|+]\s*$", text[start:place]):
                return place
        place += 1
    return place


SAMPLE = r'''
struct A<T> where T: P { // let no: Int {
    let a: Int, b = "{ \(x.map { "}" }) let c: Int", d: [Int: (Int, Int)]
    var (e, f) = (1, 2)
    var computed: Int { e }
    var observed = 3 { didSet { let inner = 1 } }
    var watched: Int { willSet { _ = 1 } }
    static let s = 1
    lazy var late = { 1 }()
    enum B { case x; static var y: Int { 1 }
        struct C { let deep = #"{"# } }
    init(_ a: Int, _ b: (_ x: Int, Int) -> Void, c: Int = 1, @X _ d: Dictionary<Int, Int>) {
        self.init(1, 2, 3)

    }
    static func < (_ a: A, _ b: A, _ c: A) -> Bool { true }
    subscript(_ a: Int, _ b: Int, _ c: Int) -> Int { 1 }
    private func g<V>(_ a: V) async throws(E) -> [Int]
    where V: P {
        /* { /* } */ */
        let text = """
            } \(f(")"))
            """
    }
}
protocol Q {
    func required(_ a: Int, _ b: Int, _ c: Int) -> Int
    var p: Int { get }
}
'''


def check_scanner():
    """The scanner reads a sample as it is meant; what it says of the sources would mean nothing otherwise."""
    text = blanked(SAMPLE)
    assert len(text) == len(SAMPLE) and text.count("\n") == SAMPLE.count("\n")
    seen = [found[1:] for found in functions(text)]
    assert seen == [
        ("init(_:_:c:_:)", 3, 2), ("<(_:_:_:)", 0, 0), ("g(_:)", 1, 4), ("required(_:_:_:)", 3, 0),
    ], seen
    seen = {name: names for _, name, names in stored_properties(text)}
    assert seen == {"A": ["a", "b", "d", "e", "f", "observed", "watched", "late"], "B": [], "C": ["deep"]}, seen


def check_declarations():
    long, large = set(), set()
    for path in sorted((TOP / "Sources").rglob("*.swift")):
        if path.name.endswith(".pb.swift"):
            continue
        module = path.relative_to(TOP / "Sources").parts[0]
        text = blanked(path.read_text(encoding="utf8"))
        file = path.relative_to(TOP)
        for place, name, unlabelled, lines in functions(text):
            line = text.count("\n", 0, place) + 1
            if unlabelled > MAX_UNLABELLED and module not in UNLABELLED_YET:
                breach(path, line, f"{name}: {unlabelled} unlabelled parameters")
            if lines > MAX_FUNCTION_LINES:
                long.add(f"{file} {name}")
                if f"{file} {name}" not in LONG_FUNCTIONS:
                    breach(path, line, f"{name}: {lines} lines; split it, or give the reason in .ci/rules.py")
        if module != "Inspection":
            continue
        for place, name, names in stored_properties(text):
            if len(names) > MAX_STORED_PROPERTIES:
                large.add(f"{file} {name}")
                if f"{file} {name}" not in LARGE_TYPES:
                    breach(path, text.count("\n", 0, place) + 1, f"{name}: {len(names)} stored properties")
    for table, needed in ((LONG_FUNCTIONS, long), (LARGE_TYPES, large)):
        for key in sorted(set(table) - needed):
            breaches.append(f".ci/rules.py:1: the exception for {key} is not needed")


check_scanner()
check_sources()
check_declarations()
check_paths()
print("\n".join(breaches) if breaches else "no breach", file=sys.stderr if breaches else sys.stdout)
sys.exit(1 if breaches else 0)
