#!/usr/bin/env python3
"""Dubbo consumers and providers for drains: consumers that obey as Dubbo Java or dubbo-go do, and some that do not.

usage: drain_peer.py serve MILLISECONDS
         A provider on 127.0.0.1 that answers after that time; prints the port as its first line. Ends when standard
         input ends, and then prints one JSON line: how many requests came, and which ids came twice.
       drain_peer.py call PORT_A PORT_B KIND=NUMBER...
         Consumers of each KIND (java, go, deaf), each with a connection to both ports, calls both in turn about every
         50 ms. A line on standard input, "mark", begins a new count; the counts until then are printed as one JSON
         line, as they are at the end of standard input. Per kind: calls, failed (after three tries), lost (in flight
         when a connection ended), reset, refused (status 100 or 80), and calls to each port.
       drain_peer.py react HEX...
         What a consumer of each kind makes of a frame: one JSON line.

What each does is read in their sources. Dubbo Java takes READONLY for a mark on the connection and
chooses another provider; whatever has another status than 20 is tried again elsewhere (FailoverClusterInvoker).
dubbo-go answers every event as a heartbeat, leaves a provider whose reply says closing or whose error says that the
transport is closing, and ends the connection once its calls have ended.
"""
import asyncio
import collections
import json
import random
import struct
import sys

TRIES = 3


def text(value):
    data = value.encode()
    return (bytes([len(data)]) if len(data) < 32 else bytes([0x30 + (len(data) >> 8), len(data) & 255])) + data


def request(number, version="2.0.2"):
    names = [version, "demo.Greeter", "1.0.0", "hello", "Ljava/lang/String;"]
    attachments = [("path", "demo.Greeter"), ("interface", "demo.Greeter"), ("remote.application", "drain-peer")]
    body = b"".join(map(text, names)) + text("x" * 20) + b"H" + b"".join(text(k) + text(v) for k, v in attachments) + b"Z"
    return struct.pack(">HBBQI", 0xDABB, 0xC2, 0, number, len(body)) + body


class Frames(asyncio.Protocol):
    """Cuts what arrives into frames."""

    def __init__(self):
        self.buffer, self.transport = b"", None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        while len(self.buffer) >= 16:
            magic, flags, status, number, size = struct.unpack(">HBBQI", self.buffer[:16])
            assert magic == 0xDABB, self.buffer[:16].hex()
            if len(self.buffer) < 16 + size:
                return
            body, self.buffer = self.buffer[16:16 + size], self.buffer[16 + size:]
            self.frame(flags, status, number, body)


class ProviderConnection(Frames):
    def __init__(self, delay, counts):
        super().__init__()
        self.delay, self.counts = delay, counts

    def frame(self, flags, status, number, body):
        if flags & 0x20:
            self.counts["events"] += 1
            return
        self.counts["requests"] += 1
        # A value, and the null that dubbo-go writes behind every reply.
        reply = b"\x91" + text("hello") + (b"N" if number % 2 else b"")
        data = struct.pack(">HBBQI", 0xDABB, 0x02, 20, number, len(reply)) + reply
        asyncio.get_running_loop().call_later(self.delay, self.transport.write, data)


async def serve(milliseconds):
    counts = collections.Counter()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ProviderConnection(milliseconds / 1000, counts), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(counts), flush=True)


class Link(Frames):
    """A consumer's connection to one provider."""

    def __init__(self, kind, counts):
        super().__init__()
        self.kind, self.counts, self.pending = kind, counts, {}
        self.is_open, self.is_readonly, self.is_removed = True, False, False

    @property
    def is_available(self):
        return self.is_open and not self.is_readonly and not self.is_removed

    def frame(self, flags, status, number, body):
        if flags & 0x20:
            return self.event(flags, number, body)
        future = self.pending.pop(number, None)
        if future is None:
            self.counts["unknown_replies"] += 1
            return
        if self.kind == "go" and (self.says_closing(body) if status == 20 else b"transport is closing" in body):
            self.is_removed = True
        if status != 20:
            self.counts[f"status_{status}"] += 1
        if not future.done():
            future.set_result(status)
        if self.is_removed and not self.pending:
            self.transport.close()

    @staticmethod
    def says_closing(body):
        return body[:1] in (b"\x93", b"\x94", b"\x95") and b"\x07closing\x04true" in body

    def event(self, flags, number, body):
        if self.kind == "go" and flags & 0x80:
            self.transport.write(struct.pack(">HBBQI", 0xDABB, 0x22, 20, number, 2) + b"NN")
        elif self.kind == "java" and flags & 0x80 and body in (b"\x01R", b"\x01W"):
            self.is_readonly = body == b"\x01R"
        self.counts["events"] += 1

    def call(self, number):
        future = asyncio.get_running_loop().create_future()
        self.pending[number] = future
        self.transport.write(request(number))
        return future

    def connection_lost(self, error):
        self.is_open = False
        if error is not None:
            self.counts["reset"] += 1
        for future in self.pending.values():
            self.counts["lost"] += 1
            if not future.done():
                future.set_result(-1)
        self.pending = {}


class Consumer:
    def __init__(self, kind, ports, counts):
        self.kind, self.ports, self.counts = kind, ports, counts
        self.links = {port: None for port in ports}
        self.retry_at = {port: 0 for port in ports}
        self.number = random.getrandbits(63)
        self.turn = random.randrange(2)

    async def link(self, port):
        link, loop = self.links[port], asyncio.get_running_loop()
        if link is not None and (link.is_open or link.is_removed):
            return link
        if loop.time() < self.retry_at[port]:
            return None
        try:
            _, self.links[port] = await loop.create_connection(lambda: Link(self.kind, self.counts), "127.0.0.1", port)
        except OSError:
            self.counts["unreachable"] += 1
            self.retry_at[port] = loop.time() + 1
            return None
        return self.links[port]

    async def one(self):
        self.counts["calls"] += 1
        tried = set()
        for _ in range(TRIES):
            self.turn ^= 1
            order = [self.ports[self.turn], self.ports[self.turn ^ 1]]
            links = [(port, await self.link(port)) for port in order if port not in tried]
            usable = [(port, link) for port, link in links if link is not None and link.is_available]
            # Nobody to go to: Java then takes a marked provider all the same.
            usable = usable or [(port, link) for port, link in links if link is not None and link.is_open]
            if not usable:
                tried = set()
                await asyncio.sleep(0.05)
                continue
            port, link = usable[0]
            self.number += 1
            self.counts[f"to_{'ab'[self.ports.index(port)]}"] += 1
            if await link.call(self.number) == 20:
                return
            tried.add(port)
        self.counts["failed"] += 1

    async def run(self, state):
        await asyncio.sleep(random.random() * 0.05)
        while not state["ends"]:
            await self.one()
            await asyncio.sleep(0.03 + random.random() * 0.04)
        for link in self.links.values():
            if link is not None and link.is_open:
                link.transport.close()


async def call(ports, kinds):
    counts = {kind: collections.Counter() for kind in kinds}
    state = {"ends": False}
    tasks = [
        asyncio.create_task(Consumer(kind, ports, counts[kind]).run(state))
        for kind, number in kinds.items() for _ in range(number)
    ]
    print("running", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip() == "mark":
            print(json.dumps(counts), flush=True)
            for each in counts.values():
                each.clear()
    state["ends"] = True
    await asyncio.gather(*tasks)
    print(json.dumps(counts), flush=True)


class Recorder:
    def __init__(self):
        self.written = b""

    def write(self, data):
        self.written += data

    def close(self):
        pass


def react(frames):
    result = {}
    for kind in ("java", "go", "deaf"):
        link = Link(kind, collections.Counter())
        link.transport = Recorder()
        for frame in frames:
            link.data_received(bytes.fromhex(frame))
        result[kind] = {"available": link.is_available, "written": link.transport.written.hex()}
    print(json.dumps(result))


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "serve":
        asyncio.run(serve(float(sys.argv[2])))
    elif len(sys.argv) > 4 and sys.argv[1] == "call":
        kinds = {kind: int(number) for kind, number in (item.split("=") for item in sys.argv[4:])}
        asyncio.run(call([int(sys.argv[2]), int(sys.argv[3])], kinds))
    elif len(sys.argv) > 2 and sys.argv[1] == "react":
        react(sys.argv[2:])
    else:
        sys.exit(__doc__)


main()
