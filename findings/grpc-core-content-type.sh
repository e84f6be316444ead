#!/usr/bin/env bash
# A gRPC server of the C core serves requests whatever their content-type says, or without one.
#
# gRPC over HTTP/2 (PROTOCOL-HTTP2.md, "Requests"): a content-type that does not begin with application/grpc should be
# answered with 415. Expected: 415, or a stream error. Seen: the call is served, its answer has the type
# application/grpc. Who tells gRPC by the request's type alone counts no such call.
set -euo pipefail
readonly grpcio=1.85.3 h2=4.4.1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python" >/dev/null
"$folder/python/bin/pip" install --quiet --disable-pip-version-check "grpcio==$grpcio" "h2==$h2"
cat >"$folder/ask.py" <<'PYTHON'
import concurrent.futures
import socket

import grpc
import h2.config
import h2.connection
import h2.events


class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: request)


def ask(port, content_type):
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    headers = [(":method", "POST"), (":scheme", "http"), (":path", "/test.Echo/Say"), (":authority", "localhost"),
               ("te", "trailers")]
    if content_type:
        headers.append(("content-type", content_type))
    seen = {}
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        connection.initiate_connection()
        connection.send_headers(1, headers)
        connection.send_data(1, b"\0\0\0\0\5hello", end_stream=True)
        peer.sendall(connection.data_to_send())
        while data := peer.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
                    seen.update(event.headers)
                if isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                    return seen
            peer.sendall(connection.data_to_send())
    return seen


server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), handlers=(Echo(),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
served = True
for content_type in ["application/grpc", None, "application/json", "text/plain"]:
    answer = ask(port, content_type)
    facts = (answer.get(":status"), answer.get("content-type"), answer.get("grpc-status"))
    print(f"grpcio {grpc.__version__}, request {content_type}: status {facts[0]}, {facts[1]}, grpc-status {facts[2]}")
    served = served and facts == ("200", "application/grpc", "0")
server.stop(0)
raise SystemExit(0 if served else 1)
PYTHON
"$folder/python/bin/python" "$folder/ask.py" || { echo "the behaviour has changed" >&2; exit 1; }
