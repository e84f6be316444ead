#!/usr/bin/env python3
"""A Triple server and client made of Apache Dubbo for Python.

usage: triple_peer.py serve
         Listens on 127.0.0.1 and prints the port as its first line. Ends when standard input ends or on SIGTERM, and
         then prints one JSON line: the calls it answered, by method.
       triple_peer.py call PORT [--threads N] [--calls N] [--only STEP,...] [--repeat N]
         Makes every kind of call and prints one JSON line: the calls by method and status, a digest of every reply,
         and the problems. The line is the same for every run with the same arguments, whatever stands between the
         two; exit 1 on a problem.

Needs apache-dubbo 3.0.0b1, whose oddities show: empty messages are dropped, an error during a stream reaches the client
as its end, every request ends with an empty message of its own, and grpc-message is raw UTF-8.
"""
import argparse
import asyncio
import asyncio.base_events
import collections
import concurrent.futures
import hashlib
import json
import logging
import os
import signal
import sys
import threading

import dubbo
import dubbo.remoting.aio.event_loop
from dubbo.configs import ReferenceConfig, ServiceConfig
from dubbo.proxy.handlers import RpcMethodHandler, RpcServiceHandler
from dubbo.protocol.triple.exceptions import StatusRpcError
from dubbo.protocol.triple.invoker import TripleInvoker

SERVICE = "org.apache.dubbo.samples.HelloWorld"
OTHER = "org.apache.dubbo.samples.Other"


def pattern(count, seed=1):
    """So many bytes that are no repetition of one another and the same in every run."""
    block = b"".join(hashlib.sha256(b"%d/%d" % (seed, n)).digest() for n in range(128))
    return (block * (count // len(block) + 1))[:count]


# --- The server ---------------------------------------------------------------------------------------------------


def serve(_):
    counts, lock = collections.Counter(), threading.Lock()
    listening = concurrent.futures.Future()
    create = asyncio.base_events.BaseEventLoop.create_server

    async def create_server(loop, *args, **kwargs):
        server = await create(loop, *args, **kwargs)
        listening.set_result(server.sockets[0].getsockname()[1])
        return server

    # The library does not say which port it got.
    asyncio.base_events.BaseEventLoop.create_server = create_server

    def counted(method):
        def answer(argument):
            with lock:
                counts[method.__name__] += 1
            return method(argument)

        answer.__name__ = method.__name__
        return answer

    @counted
    def unary(request):
        return b"hello " + request

    @counted
    def fail(request):
        raise ValueError(request.decode())

    @counted
    def serverStream(stream):
        count, size = json.loads(stream.read())
        for number in range(count):
            yield pattern(size, number)

    @counted
    def clientStream(stream):
        digest, count = hashlib.sha256(), 0
        for message in stream:
            digest.update(message)
            count += 1
        return f"{count} {digest.hexdigest()}".encode()

    @counted
    def biStream(stream):
        for message in stream:
            yield b"re:" + message

    handler = RpcServiceHandler(SERVICE, [
        RpcMethodHandler.unary(unary), RpcMethodHandler.unary(fail), RpcMethodHandler.server_stream(serverStream),
        RpcMethodHandler.client_stream(clientStream), RpcMethodHandler.bi_stream(biStream),
    ])
    config = ServiceConfig(handler, host="127.0.0.1")
    config.port = 0
    dubbo.Server(config).start()
    print(listening.result(10), flush=True)
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    while not done.wait(0.1):
        pass
    print(json.dumps({"counts": dict(sorted(counts.items()))}), flush=True)
    sys.stdout.flush()
    os._exit(0)  # The library's threads do not end by themselves.


# --- The client ---------------------------------------------------------------------------------------------------


class Client:
    """Makes calls and keeps what became of them."""

    STEPS = ("unary", "errors", "server_stream", "client_stream", "bidi", "concurrent", "metadata")

    def __init__(self, options):
        self.options = options
        self.counts = collections.Counter()
        self.digest = hashlib.sha256()
        self.problems = []
        self.extra = {}
        create = TripleInvoker._create_metadata
        client = self

        def create_metadata(invoker, invocation):
            metadata = create(invoker, invocation)
            for name, value in client.extra.items():
                if name == "attachments":
                    metadata.attachments.update(value)
                else:
                    setattr(metadata, name, value)
            return metadata

        # The library offers no way to set a version, a group, a deadline or attachments.
        TripleInvoker._create_metadata = create_metadata
        # One client: a second one in the same process would take the first one's replies.
        self.client = dubbo.Client(ReferenceConfig.from_url(f"tri://127.0.0.1:{options.port}/{SERVICE}"))

    def check(self, what, got, want):
        if got != want:
            self.problems.append(f"{what}: {str(got)[:200]!r} instead of {str(want)[:200]!r}")

    def note(self, path, status, replies):
        self.counts[(path, status)] += 1
        self.digest.update(f"{path} {status} {len(replies)}\n".encode())
        for reply in replies:
            self.digest.update(hashlib.sha256(reply).digest())

    def attempt(self, method, request, service=SERVICE):
        """The status and the reply of a unary call."""
        try:
            proxy = self.client.unary(method)
            proxy._service_name = service
            return "OK", proxy(request)
        except StatusRpcError as error:
            return error.status.code.name, (error.status.description or "").encode()

    def unary(self, method, request, status, want, service=SERVICE):
        got, reply = self.attempt(method, request, service)
        self.note(f"{service}/{method}", got, [reply] if got == "OK" else [])
        self.check(f"{method} status", got, status)
        if want is not None:
            self.check(f"{method} reply", reply, want)

    def step_unary(self):
        for size in (1, 5, 100, 1000, 16000, 40_000):
            request = pattern(size)
            self.unary("unary", request, "OK", b"hello " + request)

    def step_errors(self):
        self.unary("fail", "kaputt 失败".encode(), "INTERNAL", "Invoke method failed: kaputt 失败".encode())
        self.unary("missing", b"x", "UNIMPLEMENTED", None)
        self.unary("unary", b"x", "UNIMPLEMENTED", None, OTHER)

    def step_server_stream(self):
        for count, size in ((1, 1), (50, 100), (5, 30_000)):
            stream = self.client.server_stream("serverStream")(json.dumps([count, size]).encode())
            replies = list(stream)
            self.note(f"{SERVICE}/serverStream", "OK", replies)
            self.check("serverStream", replies, [pattern(size, n) for n in range(count)])

    def step_client_stream(self):
        for count, size in ((1, 10), (50, 100), (5, 30_000)):
            messages = [pattern(size, n) for n in range(count)]
            stream = self.client.client_stream("clientStream")(iter(messages))
            reply = stream.read()
            self.note(f"{SERVICE}/clientStream", "OK", [reply])
            digest = hashlib.sha256(b"".join(messages)).hexdigest()
            self.check("clientStream", reply, f"{count} {digest}".encode())

    def step_bidi(self):
        for count, size in ((1, 10), (50, 100)):
            stream = self.client.bi_stream("biStream")()
            replies = []
            for number in range(count):
                stream.write(pattern(size, number))
                replies.append(stream.read(10))
            stream.done_writing()
            rest = list(stream)
            self.note(f"{SERVICE}/biStream", "OK", replies)
            self.check("biStream", replies + rest, [b"re:" + pattern(size, n) for n in range(count)])

    def step_concurrent(self):
        requests = [pattern(1 + n % 7 * 300, n) for n in range(self.options.calls)]
        with concurrent.futures.ThreadPoolExecutor(self.options.threads) as pool:
            for request, (status, reply) in zip(requests, pool.map(lambda r: self.attempt("unary", r), requests)):
                self.note(f"{SERVICE}/unary", status, [reply])
                self.check("concurrent", (status, reply), ("OK", b"hello " + request))

    def step_metadata(self):
        """Calls with all that the library could send: they look like those of Dubbo Java."""
        self.extra = {
            "version": "2.0.0", "group": "gray", "application": "triple-peer", "timeout": "5000m",
            "attachments": {
                "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tenant-id": "t-1",
            },
        }
        for _ in range(3):
            self.unary("unary", b"versioned", "OK", b"hello versioned")
        self.extra = {}

    def give_up(self):
        """Ends the process: calls of the library wait for ever."""
        print(json.dumps({"problems": self.problems + [f"no end within {self.options.limit} s"]}), flush=True)
        os._exit(1)

    def run(self):
        alarm = threading.Timer(self.options.limit, self.give_up)
        alarm.daemon = True
        alarm.start()
        steps = [s for s in self.STEPS if not self.options.only or s in self.options.only.split(",")]
        for _ in range(self.options.repeat):
            for step in steps:
                try:
                    getattr(self, "step_" + step)()
                except Exception as error:  # A step that breaks off is a problem, and the others still run.
                    self.problems.append(f"{step}: {type(error).__name__}: {str(error)[:300]}")
        counts = {}
        for (path, status), count in sorted(self.counts.items()):
            counts.setdefault(path, {})[status] = count
        return {
            "steps": steps, "calls": sum(self.counts.values()), "counts": counts, "digest": self.digest.hexdigest(),
            "problems": self.problems,
        }


def call(options):
    summary = Client(options).run()
    print(json.dumps(summary), flush=True)
    os._exit(1 if summary["problems"] else 0)  # The library's threads do not end by themselves.


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = arguments.add_subparsers(dest="verb", required=True)
    verbs.add_parser("serve").set_defaults(run=serve)
    client = verbs.add_parser("call")
    client.add_argument("port", type=int)
    client.add_argument("--threads", type=int, default=8, help="concurrent callers in that step")
    client.add_argument("--calls", type=int, default=100, help="calls in that step")
    client.add_argument("--only", help="these steps, separated by commas")
    client.add_argument("--repeat", type=int, default=1, help="how often all steps are made")
    client.add_argument("--limit", type=float, default=60, help="seconds after which to give up")
    client.set_defaults(run=call)
    options = arguments.parse_args()
    logging.disable(logging.CRITICAL)
    # Not uvloop, which the library takes where it is installed: the port is learnt from asyncio's own loop.
    asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
