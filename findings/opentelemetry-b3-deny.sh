#!/usr/bin/env bash
# OpenTelemetry's B3 propagator for Python loses a decision not to sample that comes without ids.
#
# B3 lets a caller say only "do not sample": `b3: 0`, or `X-B3-Sampled: 0` alone (openzipkin/b3-propagation, "Deny").
# Expected: the default sampler, which follows its parent, leaves the span out. Seen: the header is dropped, the span
# becomes a root of its own and is exported; with ids beside the same decision the span is left out.
set -euo pipefail
readonly sdk=1.45.2 b3=1.45.1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python" >/dev/null
"$folder/python/bin/pip" install --quiet --disable-pip-version-check "opentelemetry-sdk==$sdk" \
    "opentelemetry-propagator-b3==$b3"
cat >"$folder/deny.py" <<'PYTHON'
import importlib.metadata as metadata

from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def exported(propagator, headers):
    """How many spans a service exports for a request with these headers."""
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    with provider.get_tracer("service").start_as_current_span("call", context=propagator.extract(headers)):
        pass
    return len(memory.get_finished_spans())


ids = {"x-b3-traceid": "463ac35c9f6413ad48485a3953bb6124", "x-b3-spanid": "a2fb4a1d1a96d312"}
seen = []
for name, propagator, headers in [
    ("b3: 0", B3SingleFormat(), {"b3": "0"}),
    ("x-b3-sampled: 0", B3MultiFormat(), {"x-b3-sampled": "0"}),
    ("x-b3-sampled: 0 with ids", B3MultiFormat(), {**ids, "x-b3-sampled": "0"}),
]:
    seen.append(exported(propagator, headers))
    print(f"{name}: {seen[-1]} exported")
print(*(f"{package} {metadata.version(package)}" for package in ("opentelemetry-sdk", "opentelemetry-propagator-b3")))
raise SystemExit(0 if seen == [1, 1, 0] else 1)
PYTHON
"$folder/python/bin/python" "$folder/deny.py" || { echo "the behaviour has changed" >&2; exit 1; }
