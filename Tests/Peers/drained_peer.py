#!/usr/bin/env python3
"""A gRPC server with a health service, and a client that is told what to do, for a proxy that is drained.

usage: drained_peer.py serve [HOST:PORT]
         Listens on 127.0.0.1, or there, and prints the port as its first line. Ends when standard input ends.
       drained_peer.py load HOST:PORT[,HOST:PORT] CONSUMERS PAUSE
         So many consumers, each with a channel to all addresses (IP addresses of one family), which it calls in turn with
         a pause of PAUSE milliseconds. A line on standard input, "mark", begins a new count; the counts until then are
         printed as one JSON line, as they are at the end of standard input: calls, failed, and the statuses of those.
       drained_peer.py call PORT
         Watches the health of demo.Drained and does what the lines on standard input say; each answer is one JSON line:
           begin N   begins N calls that take a second
           end       waits for them: how many ended with which status
           call N    makes N short calls, and likewise
           health    the statuses that were seen so far

Needs grpcio.
"""
import asyncio
import collections
import concurrent.futures
import json
import random
import sys
import threading
import time

import grpc

OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.initial_reconnect_backoff_ms", 100),
           ("grpc.min_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200)]


class Service(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/grpc.health.v1.Health/Watch":
            return grpc.unary_stream_rpc_method_handler(self.watch)
        return grpc.unary_unary_rpc_method_handler(self.call)

    @staticmethod
    def watch(request, context):
        yield b"\x08\x01"
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait()

    @staticmethod
    def call(request, context):
        time.sleep(1 if request == b"slow" else 0.01)
        return request


def serve(address):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(64), handlers=(Service(),), options=OPTIONS)
    port = server.add_insecure_port(address)
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(0).wait()


def watch(channel, statuses):
    service = b"demo.Drained"
    request = b"\x0a" + bytes([len(service)]) + service
    try:
        for status in channel.unary_stream("/grpc.health.v1.Health/Watch")(request):
            statuses.append(status[1] if len(status) == 2 else 0)
    except grpc.RpcError:
        pass


def results(calls):
    counts = collections.Counter()
    for call in calls:
        counts[call.code().name] += 1
    return counts


def call(port):
    statuses = []
    with grpc.insecure_channel(f"127.0.0.1:{port}", OPTIONS) as channel:
        threading.Thread(target=watch, args=(channel, statuses), daemon=True).start()
        unary = channel.unary_unary("/demo.Drained/Call")
        calls = []
        for line in sys.stdin:
            words = line.split()
            if words[0] == "begin":
                calls = [unary.future(b"slow", timeout=20) for _ in range(int(words[1]))]
                answer = {"begun": len(calls)}
            elif words[0] == "end":
                answer = results(calls)
            elif words[0] == "call":
                answer = results([unary.future(b"fast", timeout=2) for _ in range(int(words[1]))])
            else:
                answer = {"health": statuses}
            print(json.dumps(answer), flush=True)


async def consume(target, pause, counts, ends):
    balancing = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
    options = OPTIONS + [("grpc.service_config", balancing), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        unary = channel.unary_unary("/demo.Drained/Call")
        await asyncio.sleep(random.random() * pause)
        while not ends.is_set():
            try:
                await unary(b"fast", timeout=10)
            except grpc.aio.AioRpcError as error:
                counts["failed"] += 1
                counts[error.code().name] += 1
            counts["calls"] += 1
            await asyncio.sleep((0.6 + random.random() * 0.8) * pause)


async def load(addresses, consumers, pause):
    target = ("ipv6:" if addresses.startswith("[") else "ipv4:") + addresses
    counts, ends = collections.Counter(), asyncio.Event()
    tasks = [asyncio.create_task(consume(target, pause, counts, ends)) for _ in range(consumers)]
    print("running", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip() == "mark":
            print(json.dumps(counts), flush=True)
            counts.clear()
    ends.set()
    await asyncio.gather(*tasks)
    print(json.dumps(counts), flush=True)


if 2 <= len(sys.argv) <= 3 and sys.argv[1] == "serve":
    serve(sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1:0")
elif len(sys.argv) == 5 and sys.argv[1] == "load":
    asyncio.run(load(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]) / 1000))
elif len(sys.argv) == 3 and sys.argv[1] == "call":
    call(int(sys.argv[2]))
else:
    sys.exit(__doc__)
