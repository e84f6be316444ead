#!/usr/bin/env python3
"""A gRPC server that holds its calls until it is told, and a client that has many of them in flight at once.

usage: held_peer.py serve
         Listens on 127.0.0.1 and prints the port as its first line. Ends when standard input ends, and then prints
         one JSON line: the calls of each method that it took.
       held_peer.py call PORT CALLS FILE
         Makes so many calls on one connection and leaves them open until FILE is there; then has them answered. Exit
         1 if any was not answered as it should be.

Each call is held from when the server has taken it, which it says by its header fields; the client makes no more than
250 calls that were not taken yet. So nothing depends on how fast the server is, which refuses calls when more than
1,000 wait to be taken.

Needs grpcio.
"""
import asyncio
import collections
import json
import os
import sys

import grpc
import grpc.aio

SERVICE = "weir.test.Held"
OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.so_reuseport", 0)]
STEP = 250


async def serve():
    counts, released = collections.Counter(), asyncio.Event()

    async def hold(request, context):
        counts["Hold"] += 1
        await context.send_initial_metadata((("x-taken", "yes"),))
        await released.wait()
        return b"held"

    async def release(request, context):
        counts["Release"] += 1
        released.set()
        return b"released"

    server = grpc.aio.server(options=OPTIONS)
    methods = {"Hold": hold, "Release": release}
    handlers = {name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(1)
    print(json.dumps({"counts": dict(counts)}), flush=True)


async def call(port, count, file):
    async with grpc.aio.insecure_channel(f"ipv4:127.0.0.1:{port}", options=OPTIONS) as channel:
        # As a stream of replies, of which there is one: of a single reply gRPC tells the header fields with the reply.
        hold = channel.unary_stream(f"/{SERVICE}/Hold")
        calls = []
        while len(calls) < count:
            step = [hold(b"") for _ in range(min(STEP, count - len(calls)))]
            for one in step:
                metadata = dict(await one.initial_metadata())
                assert metadata.get("x-taken") == "yes", metadata
            calls += step
        while not os.path.exists(file):
            await asyncio.sleep(0.01)
        assert await channel.unary_unary(f"/{SERVICE}/Release")(b"") == b"released"
        for one in calls:
            assert [reply async for reply in one] == [b"held"]


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        asyncio.run(call(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
