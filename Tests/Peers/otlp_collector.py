#!/usr/bin/env python3
"""An OpenTelemetry collector made of the official messages, over HTTP and gRPC, that can be made to fail.

usage: otlp_collector.py [--cert FILE --key FILE]
  Listens on 127.0.0.1 and prints JSON lines:
    {"http": PORT, "grpc": PORT}   first
    {"request": {...}}             every request: transport, headers, bytes, how many spans, what it was answered
    {"span": {...}}                every span that was taken, with its resource and scope
    {"asked": PATH}                every GET
    {"done": COMMAND}              after every command
  Commands come on standard input, one a line; `times` is how many requests it is for, all without it:
    ok                             back to normal
    slow MS [times]                answers that late
    status CODE [times] [RETRY]    answers with that HTTP status, or with gRPC's like it; RETRY is Retry-After's value
    partial COUNT [times]          refuses that many spans of a request and takes the others
    reset [times]                  resets connections that send something
    strategies JSON                answers GET with that, as Jaeger's collector does for sampling
    away                           closes all connections and does not listen
    back                           listens again, on the same ports
    sync                           nothing: what was printed before it is all there is
  Ends when standard input ends.

Needs grpcio and opentelemetry-proto.
"""
import argparse
import concurrent.futures
import gzip
import http.server
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service_grpc

MAX_BYTES = 64 << 20
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
output_lock = threading.Lock()


def say(**line):
    with output_lock:
        print(json.dumps(line), flush=True)


class Fault:
    """What goes wrong next, and how often."""

    def __init__(self):
        self.lock = threading.Lock()
        self.clear()

    def clear(self):
        self.mode, self.value, self.left, self.retry = "ok", 0, None, None

    def set(self, mode, value=0, left=None, retry=None):
        with self.lock:
            self.mode, self.value, self.left, self.retry = mode, value, left, retry

    def take(self, *modes):
        """The fault for one request, if it is one of these."""
        with self.lock:
            if self.mode not in modes:
                return "ok", 0, None
            found = self.mode, self.value, self.retry
            if self.left is not None:
                self.left -= 1
                if self.left == 0:
                    self.clear()
            return found


fault = Fault()
strategies = []


def plain(value):
    """An attribute's value with its type."""
    kind = value.WhichOneof("value")
    return {kind: getattr(value, kind)} if kind else None


def attributes(items):
    keys = [item.key for item in items]
    assert len(keys) == len(set(keys)), f"a key twice: {keys}"
    return {item.key: plain(item.value) for item in items}


def spans_of(request):
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield {
                    "trace": span.trace_id.hex(),
                    "id": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "name": span.name,
                    "kind": int(span.kind),
                    "start": span.start_time_unix_nano,
                    "end": span.end_time_unix_nano,
                    "state": span.trace_state,
                    "flags": span.flags,
                    "status": int(span.status.code),
                    "attributes": attributes(span.attributes),
                    "events": [
                        {"name": e.name, "time": e.time_unix_nano, "attributes": attributes(e.attributes)}
                        for e in span.events
                    ],
                    "resource": attributes(resource_spans.resource.attributes),
                    "scope": [scope_spans.scope.name, scope_spans.scope.version],
                }


def answer(transport, headers, size, body):
    """Judges a request: an HTTP status, Retry-After's value, and a response."""
    request = service.ExportTraceServiceRequest.FromString(body)
    spans = list(spans_of(request))
    mode, value, retry = fault.take("slow", "status", "partial")
    status, response = 200, service.ExportTraceServiceResponse()
    if mode == "slow":
        time.sleep(value / 1000)
    elif mode == "status":
        status = value
    elif mode == "partial":
        response.partial_success.rejected_spans = min(value, len(spans))
        response.partial_success.error_message = "refused as it was told to"
        spans = spans[value:]
    say(request={
        "transport": transport, "headers": headers, "bytes": size, "raw": len(body), "spans": len(spans),
        "status": status, "at": time.monotonic(),
    })
    if status == 200:
        for span in spans:
            say(span=span)
    return status, retry, response


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        size = len(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        headers[":path"] = self.path
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        status, retry, response = answer("http", headers, size, body)
        data = response.SerializeToString() if status == 200 else b"no"
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(data)))
        if retry is not None:
            self.send_header("retry-after", retry)
        if 300 <= status < 400:
            self.send_header("location", "/elsewhere")
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        say(asked=self.path)
        mode, status, _ = fault.take("status")
        data = strategies[-1].encode() if strategies else b""
        self.send_response(status if mode == "status" else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Servicer(service_grpc.TraceServiceServicer):
    def Export(self, request, context):
        body = request.SerializeToString()
        headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        status, _, response = answer("grpc", headers, len(body), body)
        if status != 200:
            context.abort(CODES[status], "as it was told to")
        return response


class Front:
    """A port before a server's own, where connections can be cut."""

    def __init__(self, target):
        self.target, self.port, self.listener = target, 0, None
        self.connections, self.lock = set(), threading.Lock()
        self.open()

    def open(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self.port, self.listener = listener.getsockname()[1], listener
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def close(self):
        # Wakes the thread that accepts, which alone may close it.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for connection in self.connections:
                end(connection)

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            with self.lock:
                self.connections |= {client, server}
            for source, sink, cuts in ((client, server, True), (server, client, False)):
                threading.Thread(target=self.copy, args=(source, sink, cuts), daemon=True).start()

    def copy(self, source, sink, cuts):
        try:
            while data := source.recv(65536):
                if cuts and fault.take("reset")[0] == "reset":
                    # Closed at once, with a reset instead of an end.
                    source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    source.close()
                    break
                sink.sendall(data)
        except OSError:
            pass
        end(source)
        end(sink)
        with self.lock:
            if source in self.connections:
                self.connections.discard(source)
                source.close()


def end(connection):
    """Ends a connection and wakes whoever reads from it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def obey(line, fronts):
    command, *words = line.split()
    if command == "strategies":
        strategies.append(line.split(None, 1)[1].strip())
        return say(done=line.strip())
    numbers = [int(word) for word in words[:2]] if command != "reset" else []
    if command == "ok":
        fault.set("ok")
    elif command == "slow":
        fault.set("slow", numbers[0], *numbers[1:])
    elif command == "status":
        fault.set("status", numbers[0], (numbers[1:] or [None])[0] or None, " ".join(words[2:]) or None)
    elif command == "partial":
        fault.set("partial", *numbers)
    elif command == "reset":
        fault.set("reset", 0, int(words[0]) if words else None)
    elif command == "sync":
        pass
    elif command == "away":
        for front in fronts:
            front.close()
    elif command == "back":
        for front in fronts:
            front.open()
    else:
        raise SystemExit(f"what is {command}?")
    say(done=line.strip())


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    options = parser.parse_args()

    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http_server.daemon_threads = True
    http_server.handle_error = lambda *_: None
    grpc_server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", MAX_BYTES)]
    )
    service_grpc.add_TraceServiceServicer_to_server(Servicer(), grpc_server)
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)
        http_server.socket = context.wrap_socket(
            http_server.socket, server_side=True, do_handshake_on_connect=False
        )
        with open(options.key, "rb") as key, open(options.cert, "rb") as cert:
            credentials = grpc.ssl_server_credentials([(key.read(), cert.read())])
        grpc_port = grpc_server.add_secure_port("127.0.0.1:0", credentials)
    else:
        grpc_port = grpc_server.add_insecure_port("127.0.0.1:0")
    grpc_server.start()
    threading.Thread(target=http_server.serve_forever, daemon=True).start()
    fronts = [Front(http_server.server_address[1]), Front(grpc_port)]
    say(http=fronts[0].port, grpc=fronts[1].port)
    for line in sys.stdin:
        if line.strip():
            obey(line, fronts)
    # Without waiting for requests that are being answered slowly.
    os._exit(0)


main()
