#!/usr/bin/env python3
"""A gRPC server and a client that exercises it, without generated code.

usage: grpc_peer.py serve
         Listens on 127.0.0.1 and prints the port as its first line. Ends when standard input ends or on SIGTERM,
         and then prints one JSON line: the calls it answered, by method and status.
       grpc_peer.py call PORT [--channels N] [--streams N] [--only STEP,...] [--skip STEP,...] [--repeat N]
         Makes every kind of call, in order, and prints one JSON line: the calls by method and status, the messages
         both ways, a digest of every reply, and the problems (replies that are not what they should be). The line
         is the same for every run with the same arguments, whatever stands between the two; exit 1 on a problem.
       grpc_peer.py steps
         Prints the names of the steps.

Needs grpcio.
"""
import argparse
import collections
import concurrent.futures
import hashlib
import json
import signal
import sys
import threading
import time

import grpc

ECHO = "weir.test.Echo"
STOCK = "weir.test.Stock"
HEALTH = "grpc.health.v1.Health"
MAX_BYTES = 16 << 20
OPTIONS = [
    ("grpc.max_receive_message_length", MAX_BYTES),
    ("grpc.max_send_message_length", MAX_BYTES),
    ("grpc.enable_http_proxy", 0),
]
EXCEPTION_CLASS = "com.example.OutOfStockException"


def pattern(count, seed=1):
    """So many bytes that are no repetition of one another and the same in every run."""
    block = b"".join(hashlib.sha256(b"%d/%d" % (seed, n)).digest() for n in range(128))
    return (block * (count // len(block) + 1))[:count]


def field(number, data):
    """A protobuf field of bytes."""
    length, left = bytearray(), len(data)
    while True:
        length.append(left & 0x7F | (0x80 if left > 0x7F else 0))
        left >>= 7
        if not left:
            return bytes([number << 3 | 2]) + bytes(length) + data


def hessian_string(text):
    data = text.encode()
    assert data.isascii() and len(data) < 1024
    return (bytes([len(data)]) if len(data) < 32 else bytes([0x30 | len(data) >> 8, len(data) & 0xFF])) + data


def request_wrapper(*arguments):
    """Triple's message around arguments that are strings."""
    return (field(1, b"hessian4") + b"".join(field(2, hessian_string(a)) for a in arguments)
            + b"".join(field(3, b"java.lang.String") for _ in arguments))


def response_wrapper(value):
    return field(1, b"hessian4") + field(2, value) + field(3, b"java.lang.String")


# --- The server ---------------------------------------------------------------------------------------------------


class Service:
    """The methods of both services, and what they were asked."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = collections.Counter()

    def count(self, method, status):
        with self.lock:
            self.counts[(method, status)] += 1

    def counted(self, name, method, is_stream=False):
        def answer(request, context):
            status = "OK"
            try:
                return method(request, context)
            except BaseException:
                status = context.code().name if context.code() else "UNKNOWN"
                raise
            finally:
                self.count(name, status)

        def stream(request, context):
            status = "OK"
            try:
                yield from method(request, context)
            except GeneratorExit:
                status = "CANCELLED"
                raise
            except BaseException:
                status = context.code().name if context.code() else "UNKNOWN"
                raise
            finally:
                self.count(name, status)

        return stream if is_stream else answer

    def echo(self, request, context):
        return request

    def shout(self, request, context):
        return request.upper()

    def fail(self, request, context):
        asked = json.loads(request)
        code = next(c for c in grpc.StatusCode if c.value[0] == asked["code"])
        context.set_trailing_metadata((("x-failed", "yes"),))
        context.abort(code, asked["message"])

    def throw(self, request, context):
        raise ValueError("boom")

    def sleep(self, request, context):
        end = time.monotonic() + int(request) / 1000
        while time.monotonic() < end and context.is_active():
            time.sleep(0.01)
        return b"slept"

    def big(self, request, context):
        return pattern(int(request))

    def measure(self, request, context):
        return hashlib.sha256(request).hexdigest().encode() + b" %d" % len(request)

    def metadata(self, request, context):
        seen = [(k, v.hex() if isinstance(v, bytes) else v) for k, v in context.invocation_metadata()
                if k.startswith(("x-", "tri-", "tok")) or k == "traceparent"]
        context.send_initial_metadata((("x-initial", "first"), ("x-initial-bin", bytes(range(256)))))
        context.set_trailing_metadata((("x-cost", "12"), ("x-cost-bin", b"\x00\xff\x00")))
        return json.dumps(sorted(seen)).encode()

    def collect(self, requests, context):
        digest, messages, count = hashlib.sha256(), 0, 0
        for request in requests:
            digest.update(request)
            messages += 1
            count += len(request)
        return json.dumps([messages, count, digest.hexdigest()]).encode()

    def emit(self, request, context):
        messages, size = json.loads(request)
        for number in range(messages):
            yield pattern(size, number)

    def emit_then_fail(self, request, context):
        yield b"one"
        yield b"two"
        context.abort(grpc.StatusCode.DATA_LOSS, "no third 第三")

    def chat(self, requests, context):
        for request in requests:
            yield b"re:" + request

    def invoke(self, request, context):
        return response_wrapper(hessian_string("invoked"))

    def out_of_stock(self, request, context):
        context.send_initial_metadata((("tri-exception-code", "3"),))
        exception = b"C" + hessian_string(EXCEPTION_CLASS) + b"\x91" + hessian_string("detailMessage") + b"\x60"
        return response_wrapper(exception + hessian_string("none left"))

    def check(self, request, context):
        return b"\x08\x01"

    def watch(self, request, context):
        yield b"\x08\x01"
        while context.is_active():
            time.sleep(0.01)

    def handlers(self):
        kinds = {
            "unary": grpc.unary_unary_rpc_method_handler, "collect": grpc.stream_unary_rpc_method_handler,
            "emit": grpc.unary_stream_rpc_method_handler, "chat": grpc.stream_stream_rpc_method_handler,
        }
        table = {
            ECHO: {
                "Echo": (self.echo, "unary"), "Fail": (self.fail, "unary"), "Throw": (self.throw, "unary"),
                "Sleep": (self.sleep, "unary"), "Big": (self.big, "unary"), "Measure": (self.measure, "unary"),
                "Metadata": (self.metadata, "unary"), "Collect": (self.collect, "collect"),
                "Emit": (self.emit, "emit"), "EmitThenFail": (self.emit_then_fail, "emit"), "Chat": (self.chat, "chat"),
                "$invoke": (self.invoke, "unary"), "$invokeAsync": (self.invoke, "unary"),
            },
            STOCK: {"Echo": (self.shout, "unary"), "OutOfStock": (self.out_of_stock, "unary")},
            HEALTH: {"Check": (self.check, "unary"), "Watch": (self.watch, "emit")},
        }
        for service, methods in table.items():
            yield grpc.method_handlers_generic_handler(service, {
                name: kinds[kind](self.counted(f"{service}/{name}", method, kind in ("emit", "chat")))
                for name, (method, kind) in methods.items()
            })


def by_method(counts):
    result = {}
    for (method, status), count in sorted(counts.items()):
        result.setdefault(method, {})[status] = count
    return result


def serve(_):
    service = Service()
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=256)
    server = grpc.server(pool, options=OPTIONS + [("grpc.so_reuseport", 0)], compression=None)
    server.add_generic_rpc_handlers(tuple(service.handlers()))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    while not done.wait(0.1):
        pass
    server.stop(1).wait()
    print(json.dumps({"counts": by_method(service.counts)}), flush=True)
    return 0


# --- The client ---------------------------------------------------------------------------------------------------


class Client:
    """Makes calls and keeps what became of them."""

    def __init__(self, options):
        self.options = options
        self.channels = [
            grpc.insecure_channel(
                f"ipv4:127.0.0.1:{options.port}",
                options=OPTIONS + [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)],
            ) for _ in range(options.channels)
        ]
        self.counts = collections.Counter()
        self.exceptions = collections.Counter()
        self.sent = self.received = 0
        self.digest = hashlib.sha256()
        self.problems = []

    def method(self, path, kind="unary_unary", channel=0):
        return getattr(self.channels[channel % len(self.channels)], kind)("/" + path)

    def check(self, what, got, want):
        if got != want:
            self.problems.append(f"{what}: {str(got)[:200]!r} instead of {str(want)[:200]!r}")

    def note(self, path, code, replies, requests=1):
        """Counts a call; only what is the same in every run goes into the digest."""
        self.counts[(path, code.name)] += 1
        self.sent += requests
        self.received += len(replies)
        self.digest.update(f"{path} {code.name} {len(replies)}\n".encode())
        for reply in replies:
            self.digest.update(hashlib.sha256(reply).digest())

    def unary(self, path, request, want=None, code=grpc.StatusCode.OK, message=None, channel=0, **more):
        try:
            reply, call = self.method(path, channel=channel).with_call(request, **{"timeout": 120, **more})
            got, replies = call.code(), [reply]
        except grpc.RpcError as error:
            call, got, replies = error, error.code(), []
        self.note(path, got, replies)
        self.check(f"{path} status", got, code)
        if want is not None and replies:
            self.check(f"{path} reply", replies[0], want)
        if message is not None:
            self.check(f"{path} message", call.details(), message)
        return replies[0] if replies else None, call

    def stream(self, path, request, kind, want, code=grpc.StatusCode.OK, requests=1, **more):
        replies = []
        call = self.method(path, kind)(request, **{"timeout": 120, **more})
        try:
            for reply in call:
                replies.append(reply)
            got = call.code()
        except grpc.RpcError as error:
            got = error.code()
        self.note(path, got, replies, requests)
        self.check(f"{path} status", got, code)
        self.check(f"{path} replies", replies, want)
        return call

    # The steps.

    def step_unary(self):
        for size in (0, 1, 5, 100, 1000, 16379, 16384, 40_000):
            self.unary(f"{ECHO}/Echo", pattern(size), pattern(size))
        self.unary(f"{STOCK}/Echo", b"loud", b"LOUD")

    def step_big(self):
        big = pattern(4 << 20)
        self.unary(f"{ECHO}/Echo", big, big)
        self.unary(f"{ECHO}/Big", b"4194304", big)
        self.unary(f"{ECHO}/Measure", big, hashlib.sha256(big).hexdigest().encode() + b" 4194304")

    def step_errors(self):
        for code in grpc.StatusCode:
            if code is grpc.StatusCode.OK:
                continue
            message = f"code {code.value[0]}: 100% of 用户 😀 + more\n\tand more"
            asked = json.dumps({"code": code.value[0], "message": message}).encode()
            _, call = self.unary(f"{ECHO}/Fail", asked, code=code, message=message)
            self.check("x-failed", dict(call.trailing_metadata()).get("x-failed"), "yes")
        self.unary(f"{ECHO}/Throw", b"", code=grpc.StatusCode.UNKNOWN, message="Exception calling application: boom")
        self.unary(f"{ECHO}/NoSuchMethod", b"", code=grpc.StatusCode.UNIMPLEMENTED)
        self.unary("no.such.Service/Method", b"", code=grpc.StatusCode.UNIMPLEMENTED)

    def step_metadata(self):
        sent = (
            ("x-request-id", "r-1"), ("x-empty", ""), ("x-two", "a"), ("x-two", "b"), ("tok-bin", bytes(range(256))),
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("tri-consumer-appname", "grpc-peer"), ("x-long", "v" * 3000),
        )
        for group in (None, "gray"):
            metadata = sent + ((("tri-service-version", "1.0.0"), ("tri-service-group", group)) if group else ())
            want = sorted([k, v.hex() if isinstance(v, bytes) else v] for k, v in metadata)
            reply, call = self.unary(f"{ECHO}/Metadata", b"", metadata=metadata)
            self.check("metadata", json.loads(reply or b"null"), want)
            initial, trailing = dict(call.initial_metadata()), dict(call.trailing_metadata())
            self.check("x-initial", initial.get("x-initial"), "first")
            self.check("x-initial-bin", initial.get("x-initial-bin"), bytes(range(256)))
            self.check("x-cost-bin", trailing.get("x-cost-bin"), b"\x00\xff\x00")

    def step_client_stream(self):
        for count, size in ((0, 0), (1, 10), (100, 50), (20, 40_000)):
            messages = [pattern(size, n) for n in range(count)]
            digest = hashlib.sha256(b"".join(messages)).hexdigest()
            call = self.method(f"{ECHO}/Collect", "stream_unary").future(iter(messages), timeout=120)
            reply = call.result()
            self.note(f"{ECHO}/Collect", call.code(), [reply], count)
            self.check("collected", json.loads(reply), [count, count * size, digest])

    def step_server_stream(self):
        for count, size in ((0, 1), (1, 1), (100, 100), (20, 40_000)):
            asked = json.dumps([count, size]).encode()
            self.stream(f"{ECHO}/Emit", asked, "unary_stream", [pattern(size, n) for n in range(count)])
        self.stream(f"{ECHO}/EmitThenFail", b"", "unary_stream", [b"one", b"two"], grpc.StatusCode.DATA_LOSS)

    def step_bidi(self):
        for count, size in ((0, 1), (3, 4), (100, 200), (10, 70_000)):
            messages = [pattern(size, n) for n in range(count)]
            self.stream(f"{ECHO}/Chat", iter(messages), "stream_stream", [b"re:" + m for m in messages], requests=count)

    def step_deadlines(self):
        late = grpc.StatusCode.DEADLINE_EXCEEDED
        for _ in range(3):
            self.unary(f"{ECHO}/Sleep", b"30000", code=late, timeout=1)
        # From a second on the library rounds what it tells the server up by as much as 1 %, and waits no longer itself.
        calls = [self.method(f"{ECHO}/Sleep").future(b"30000", timeout=t) for t in (0.75, 1.001, 1.505, 2.001, 2.5)]
        for call in calls:
            self.check("deadline", call.code(), late)
            self.note(f"{ECHO}/Sleep", call.code(), [])
        self.unary(f"{ECHO}/Sleep", b"20", b"slept", timeout=60)

    def step_cancel(self):
        for _ in range(3):
            call = self.method(f"{ECHO}/Sleep").future(b"30000", timeout=60)
            # Long enough for it to have been sent.
            time.sleep(0.5)
            call.cancel()
            # A cancelled future says so without an exception of gRPC's own.
            self.note(f"{ECHO}/Sleep", call.code(), [])
            self.check("cancelled", call.code(), grpc.StatusCode.CANCELLED)
        go_on = threading.Event()

        def messages():
            yield b"one"
            yield b"two"
            go_on.wait(60)

        call = self.method(f"{ECHO}/Chat", "stream_stream")(messages(), timeout=120)
        replies = [next(call), next(call)]
        call.cancel()
        go_on.set()
        self.note(f"{ECHO}/Chat", call.code(), replies, 2)
        self.check("cancelled", call.code(), grpc.StatusCode.CANCELLED)

    def step_compressed(self):
        text = b"compress me " * 1000
        for _ in range(3):
            self.unary(f"{ECHO}/Echo", text, text, compression=grpc.Compression.Gzip)

    def step_triple(self):
        wrapped = request_wrapper("findOrder", "x" * 600)
        for method in ("$invoke", "$invokeAsync"):
            self.unary(f"{ECHO}/{method}", wrapped, response_wrapper(hessian_string("invoked")))
        for _ in range(2):
            _, call = self.unary(f"{STOCK}/OutOfStock", request_wrapper("sku"))
            if dict(call.initial_metadata()).get("tri-exception-code") == "3":
                self.exceptions[EXCEPTION_CLASS] += 1

    def step_health(self):
        self.unary(f"{HEALTH}/Check", b"", b"\x08\x01")
        call = self.method(f"{HEALTH}/Watch", "unary_stream")(b"")
        replies = [next(call)]
        call.cancel()
        self.note(f"{HEALTH}/Watch", call.code(), replies)

    def step_concurrent(self):
        """Many streams at once on every channel; the replies are noted in the order of the requests."""
        calls = []
        for number in range(self.options.streams):
            for channel in range(len(self.channels)):
                request = pattern(number % 7 * 300, number)
                calls.append((request, self.method(f"{ECHO}/Echo", channel=channel).future(request, timeout=120)))
        for request, call in calls:
            try:
                reply = call.result()
            except grpc.RpcError:
                reply = b""
            self.note(f"{ECHO}/Echo", call.code(), [reply])
            self.check("concurrent status", call.code(), grpc.StatusCode.OK)
            self.check("concurrent reply", reply, request)

    STEPS = (
        "unary", "errors", "metadata", "client_stream", "server_stream", "bidi", "big", "compressed", "triple",
        "health", "concurrent", "deadlines", "cancel",
    )

    def run(self):
        steps = [s for s in self.STEPS if not self.options.only or s in self.options.only.split(",")]
        steps = [s for s in steps if s not in (self.options.skip or "").split(",")]
        for _ in range(self.options.repeat):
            for step in steps:
                try:
                    getattr(self, "step_" + step)()
                except Exception as error:  # A step that breaks off is a problem, and the others still run.
                    self.problems.append(f"{step}: {type(error).__name__}: {str(error)[:300]}")
        for channel in self.channels:
            channel.close()
        return {
            "steps": steps, "channels": len(self.channels), "calls": sum(self.counts.values()),
            "counts": by_method(self.counts), "exceptions": dict(self.exceptions), "sent_messages": self.sent,
            "received_messages": self.received, "digest": self.digest.hexdigest(), "problems": self.problems,
        }


def call(options):
    summary = Client(options).run()
    print(json.dumps(summary), flush=True)
    return 1 if summary["problems"] else 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = arguments.add_subparsers(dest="verb", required=True)
    verbs.add_parser("serve").set_defaults(run=serve)
    verbs.add_parser("steps").set_defaults(run=lambda _: print("\n".join(Client.STEPS)) or 0)
    client = verbs.add_parser("call")
    client.add_argument("port", type=int)
    client.add_argument("--channels", type=int, default=1, help="TCP connections")
    client.add_argument("--streams", type=int, default=50, help="concurrent calls a channel in that step")
    client.add_argument("--only", help="these steps, separated by commas")
    client.add_argument("--skip", help="not these steps")
    client.add_argument("--repeat", type=int, default=1, help="how often all steps are made")
    client.set_defaults(run=call)
    options = arguments.parse_args()
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
