#!/usr/bin/env python3
"""Traffic that looks like JSON-RPC and is none: connect's JSON codec and log lines over TCP; beside it gRPC and JSON-RPC.

usage: bystander_peer.py serve
         Listens on two ports of 127.0.0.1 and prints the first as its first line: a connectrpc service (connect and gRPC,
         HTTP/1.1 and HTTP/2), which takes JSON-RPC under /rpc, and behind the next line's port a TCP sink for log lines.
         Ends when standard input ends or on SIGTERM, and then prints one JSON line: what it got, by kind.
       bystander_peer.py call PORT SINK CALLS
         Makes CALLS calls of each kind through PORT, logs CALLS lines through SINK, and prints one JSON line: calls, what
         became of them by kind and status, and the problems.

Needs connectrpc, hypercorn and python-logstash-async.
"""
import asyncio
import collections
import json
import logging
import signal
import socket
import sys
import threading
import urllib.error
import urllib.request

SERVICE = "demo.Payments"


def imports():
    """What comes from elsewhere, late: usage errors need none of it."""
    global protobuf_struct, MethodInfo, StreamType, IdempotencyLevel
    from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
    from protobuf.wkt.google.protobuf import struct_pb as protobuf_struct


def method():
    return MethodInfo(
        name="Pay", service_name=SERVICE, input=protobuf_struct.Struct, output=protobuf_struct.Struct,
        idempotency_level=IdempotencyLevel.UNKNOWN, stream_type=StreamType.UNARY,
    )


def struct(value):
    """The message that stands for a JSON object."""
    return protobuf_struct.Struct.from_json(json.dumps(value))


# --- The server ---------------------------------------------------------------------------------------------------


class Got:
    def __init__(self):
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.seen = set()

    def note(self, kind, mark):
        with self.lock:
            self.counts[kind] += 1
            if (kind, mark) in self.seen:
                self.counts["twice"] += 1
            self.seen.add((kind, mark))


def sink(got, listener):
    """Takes log lines until the process ends."""

    def read(connection):
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                try:
                    got.note("log", json.loads(line)["mark"])
                except (ValueError, KeyError):
                    got.note("torn", line)

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=read, args=(connection,), daemon=True).start()


def application(got):
    from connectrpc.server import ConnectASGIApplication, Endpoint

    async def pay(request, context):
        value = json.loads(request.to_json())
        got.note(value["kind"], value["mark"])
        return struct({"result": value["mark"], "method": value["method"], "id": value["id"]})

    class Payments(ConnectASGIApplication):
        path = f"/{SERVICE}"

    payments = Payments(
        service=None, endpoints=lambda _: {f"/{SERVICE}/Pay": Endpoint.unary(method(), pay)}
    )

    async def route(scope, receive, send):
        if scope["type"] != "http" or not scope["path"].startswith("/rpc"):
            return await payments(scope, receive, send)
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        call = json.loads(body)
        got.note("rpc", call["id"])
        reply = json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": call["params"]}).encode()
        await send({
            "type": "http.response.start", "status": 200,
            "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(reply))],
        })
        await send({"type": "http.response.body", "body": reply})

    return route


def serve():
    import hypercorn.asyncio
    import hypercorn.config

    got = Got()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    web = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=sink, args=(got, listener), daemon=True).start()
    config = hypercorn.config.Config()
    config.bind = [f"fd://{web.fileno()}"]
    config.accesslog = config.errorlog = None
    config.loglevel = "ERROR"
    print(web.getsockname()[1], flush=True)
    print(listener.getsockname()[1], flush=True)

    async def run():
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True).start()
        await hypercorn.asyncio.serve(application(got), config, shutdown_trigger=ended.wait)

    asyncio.run(run())
    print(json.dumps({"counts": got.counts}), flush=True)


# --- The client ---------------------------------------------------------------------------------------------------


def outcome(call):
    from connectrpc.errors import ConnectError

    try:
        call()
        return "ok"
    except ConnectError as error:
        return error.code.value


def connect_calls(port, kind, number, counts, problems, **options):
    """Calls whose JSON has a method, an id and params, large ones and compressed ones among them."""
    from connectrpc.client import ConnectClientSync
    from pyqwest import HTTPVersion, SyncClient, SyncHTTPTransport

    version = options.pop("version", HTTPVersion.HTTP1)
    http = SyncClient(transport=SyncHTTPTransport(http_version=version))
    client = ConnectClientSync(f"http://127.0.0.1:{port}", http_client=http, **options)
    for mark in range(number):
        value = {"kind": kind, "mark": mark, "method": "card", "id": mark, "params": {"amount": mark}}
        if mark % 10 == 0:
            value["data"] = "x" * 90_000

        def call():
            reply = client.execute_unary(request=struct(value), method=method())
            if json.loads(reply.to_json())["result"] != mark:
                problems.append(f"{kind} {mark}: {reply.to_json()[:200]}")

        counts[kind][outcome(call)] += 1


def rpc_calls(port, number, counts):
    for mark in range(number):
        body = json.dumps({"jsonrpc": "2.0", "method": "sum", "params": [mark], "id": mark}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/rpc", body, {"Content-Type": "application/json"}
        )
        try:
            reply = json.loads(urllib.request.urlopen(request, timeout=30).read())
        except urllib.error.HTTPError as error:
            reply = json.loads(error.read())
        counts["rpc"]["ok" if "result" in reply else str(reply["error"]["code"])] += 1


def log_lines(port, number, counts):
    from logstash_async.handler import AsynchronousLogstashHandler
    from logstash_async.formatter import LogstashFormatter

    class Flat(LogstashFormatter):
        """A line that has a method beside an id at its top, as applications log requests."""

        def format(self, record):
            line = json.loads(super().format(record))
            line.update(record.line)
            return json.dumps(line)

    handler = AsynchronousLogstashHandler("127.0.0.1", port, database_path=None)
    handler.setFormatter(Flat())
    logger = logging.getLogger("payments")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    for mark in range(number):
        logger.info("paid", extra={"line": {"mark": mark, "method": "card", "id": mark, "params": {"a": [mark]}}})
    handler.flush()
    handler.close()
    counts["log"]["sent"] += number


def call(port, sink_port, number):
    from connectrpc.protocol import ProtocolType
    from connectrpc.codec import proto_json_codec
    from pyqwest import HTTPVersion

    counts = collections.defaultdict(collections.Counter)
    problems = []
    connect_calls(port, "json", number, counts, problems, codec=proto_json_codec(), send_compression=None)
    connect_calls(port, "gzip", number, counts, problems, codec=proto_json_codec())
    connect_calls(port, "json2", number, counts, problems, codec=proto_json_codec(), version=HTTPVersion.HTTP2)
    connect_calls(
        port, "grpc", number, counts, problems, protocol=ProtocolType.GRPC, version=HTTPVersion.HTTP2,
    )
    rpc_calls(port, number, counts)
    log_lines(sink_port, number, counts)
    print(json.dumps({"calls": number * 6, "counts": counts, "problems": problems}, sort_keys=True))
    return 1 if problems else 0


def main(arguments):
    if arguments == ["serve"]:
        imports()
        return serve()
    if len(arguments) == 4 and arguments[0] == "call":
        imports()
        return call(*map(int, arguments[1:]))
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
