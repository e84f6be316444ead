#!/usr/bin/env python3
"""A server that says each line again, and clients that come and go.

usage: churn_peer.py serve
         Listens on 127.0.0.1 and prints the port as its first line. Ends when standard input ends.
       churn_peer.py call PORT CLIENTS SECONDS
         Each client connects, says a line, waits for it, ends its connection, and connects again; after SECONDS each
         goes on to the end of its round. Prints one JSON line: how many rounds there were, and what became of those
         that did not end well. Exit 1 if there are such.

Python 3, standard library only.
"""
import asyncio
import collections
import json
import resource
import sys
import time

PATIENCE = 100


async def serve():
    async def echo(reader, writer):
        try:
            while line := await reader.readline():
                # The connection lasts for a moment, so that there are many at a time.
                await asyncio.sleep(0.02)
                writer.write(line)
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


async def call(port, clients, seconds):
    rounds, problems = 0, collections.Counter()
    end = time.monotonic() + seconds

    async def once(line):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(line)
            answer = await reader.readline()
            if answer != line:
                raise ValueError(f"{len(answer)} bytes of {len(line)}")
        finally:
            writer.close()

    async def client(number):
        nonlocal rounds
        while time.monotonic() < end:
            line = b"client %d round %d\n" % (number, rounds)
            try:
                await asyncio.wait_for(once(line), PATIENCE)
            except (OSError, ValueError, asyncio.TimeoutError) as error:
                problems[f"{type(error).__name__} {error}"] += 1
            rounds += 1

    await asyncio.gather(*(client(number) for number in range(clients)))
    print(json.dumps({"rounds": rounds, "problems": problems}), flush=True)
    return 1 if problems else 0


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    elif sys.argv[1:2] == ["call"]:
        sys.exit(asyncio.run(call(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))))
    else:
        sys.exit(__doc__)
