#!/usr/bin/env bash
# dpkt reads the times of every interface of a pcapng file in the first interface's resolution.
#
# A file merged of two captures describes two interfaces: times in microseconds, and times in nanoseconds (if_tsresol 6
# and 9). Expected: each packet's time in its own interface's resolution, as the pcapng specification says
# (draft-ietf-opsawg-pcapng, section 4.2). Seen: the second interface's packet is a thousand times too late.
set -euo pipefail
readonly version=1.9.8
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python" >/dev/null
"$folder/python/bin/pip" install --quiet --disable-pip-version-check "dpkt==$version"
cat >"$folder/read.py" <<'PYTHON'
import io
import struct

import dpkt


def block(kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))


def interface(resolution):
    options = struct.pack("<HHB3xHH", 9, 1, resolution, 0, 0)
    return block(1, struct.pack("<HHI", 1, 0, 65535) + options)


def packet(number, ticks, data=bytes(60)):
    return block(6, struct.pack("<IIIII", number, ticks >> 32, ticks & 0xffffffff, len(data), len(data)) + data)


second = 1_700_000_000
file = (block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)) + interface(6) + interface(9)
        + packet(0, second * 10**6) + packet(1, second * 10**9))
times = [float(time) for time, _ in dpkt.pcapng.Reader(io.BytesIO(file))]
print(f"dpkt {dpkt.__version__}: both packets were taken at {second}; read as {times[0]:.0f} and {times[1]:.0f}")
raise SystemExit(0 if times == [second, second * 1000] else 1)
PYTHON
"$folder/python/bin/python" "$folder/read.py" || { echo "the behaviour has changed" >&2; exit 1; }
