#!/usr/bin/env bash
# h2, the HTTP/2 of httpx and hypercorn, takes no frame at all once its peer has sent GOAWAY.
#
# A server that shuts down gracefully sends GOAWAY with the last stream it will serve, perhaps a PING behind it, and goes on
# answering the streams below (RFC 9113, section 6.8). Expected: a client takes the PING and the rest of its responses.
# Seen: the connection is closed for it; the PING, and the headers of a response that was on its way, are protocol errors.
set -euo pipefail
readonly version=4.4.1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python" >/dev/null
"$folder/python/bin/pip" install --quiet --disable-pip-version-check "h2==$version"
cat >"$folder/talk.py" <<'PYTHON'
import h2
import h2.config
import h2.connection
import h2.exceptions
from hyperframe.frame import GoAwayFrame, PingFrame


def greeted():
    """A client that waits for the response to stream 1, and its server."""
    ends = []
    for is_client in (True, False):
        end = h2.connection.H2Connection(h2.config.H2Configuration(client_side=is_client))
        end.initiate_connection()
        ends.append(end)
    client, server = ends
    client.send_headers(1, [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")], True)
    for _ in range(2):
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
    return client, server


def takes(client, data):
    try:
        return bool(client.receive_data(data))
    except h2.exceptions.ProtocolError as error:
        return f"{type(error).__name__}: {error}"


ping = PingFrame(opaque_data=bytes(8)).serialize()
seen = []
for name in ("PING", "response"):
    client, server = greeted()
    server.send_headers(1, [(":status", "200")], True)
    response = server.data_to_send()
    client.receive_data(GoAwayFrame(last_stream_id=2**31 - 1).serialize())
    seen.append(takes(client, ping if name == "PING" else response))
    print(f"h2 {h2.__version__}: {name} after GOAWAY: {seen[-1]}")
raise SystemExit(0 if all(isinstance(answer, str) for answer in seen) else 1)
PYTHON
"$folder/python/bin/python" "$folder/talk.py" || { echo "the behaviour has changed" >&2; exit 1; }
