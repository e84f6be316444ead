#!/usr/bin/env python3
"""Dubbo consumers and providers for drains: consumers that do with each signal what real ones were seen to do.

usage: drain_peer.py serve MILLISECONDS [HOST:PORT]
         A provider, on 127.0.0.1 unless told where, that answers after that time; prints the port as its first line.
         Ends when standard input ends, and then prints one JSON line: how many requests and events came.
       drain_peer.py call ADDRESS[,ADDRESS] KIND=NUMBER[xCALLERS]... [pause=MILLISECONDS]
         Consumers of each KIND, each with a connection to every address (a port of 127.0.0.1, or HOST:PORT) and so many
         callers that share it (1), each of which calls the addresses in turn with such a pause (50). A line on standard
         input, "mark", begins a new count; the counts until then are printed as one JSON line, as they are at the end
         of standard input. Per kind: calls, failed (after three tries), lost (in flight when a connection ended),
         reset, status_100 and the like, and calls to each address (to_a, to_b).
       drain_peer.py react HEX...
         What a consumer of each kind makes of frames, while it waits for the replies 2, 4 and 6: one JSON line.

KIND        as                     READONLY                 WRITEABLE    closing, or the text "transport is closing"
java        Dubbo Java 3.3.1       goes elsewhere; calls    comes back   ignored
                                   nobody if there is none
java27      2.7.23, 2.6.12         goes elsewhere; calls    ignored      ignored
                                   it if there is none
go          dubbo-go 3.3.2         ignored                  ignored      gone for 30 s; its connection is destroyed, and
                                                                         with it the calls in flight
go331       dubbo-go 3.3.1         ignored                  ignored      ignored

A mark of READONLY lasts as long as the connection; where it has ended, java looks again when its timer of 60 s comes.
dubbo-go answers every event. Whatever has another status than 20 is tried again elsewhere, twice.
"""
import asyncio
import collections
import functools
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


async def serve(milliseconds, host, port):
    counts = collections.Counter()
    loop = asyncio.get_running_loop()
    # A server for :: alone would take no IPv4.
    hosts = ["0.0.0.0", "::"] if host == "::" else host
    connection = functools.partial(ProviderConnection, milliseconds / 1000, counts)
    server = await loop.create_server(connection, hosts, port, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(counts), flush=True)


GONE_SECONDS = 30
TIMER_SECONDS = 60
GONE_TEXT = b"transport is closing"


class Link(Frames):
    """A consumer's connection to one provider."""

    def __init__(self, kind, counts):
        super().__init__()
        self.kind, self.counts, self.pending = kind, counts, {}
        self.is_open, self.is_readonly, self.is_gone = True, False, False

    @property
    def is_available(self):
        return self.is_open and not self.is_readonly and not self.is_gone

    def frame(self, flags, status, number, body):
        if flags & 0x20:
            return self.event(flags, number, body)
        future = self.pending.pop(number, None)
        if future is None:
            self.counts["unknown_replies"] += 1
            return
        if status != 20:
            self.counts[f"status_{status}"] += 1
        if not future.done():
            future.set_result(status)
        if self.kind == "go" and (self.says_closing(body) if status == 20 else GONE_TEXT in body.lower()):
            self.is_gone = True
            self.transport.close()
            self.lose()

    @staticmethod
    def says_closing(body):
        return body[:1] in (b"\x93", b"\x94", b"\x95") and b"\x07closing\x04true" in body

    def event(self, flags, number, body):
        if self.kind in ("go", "go331") and flags & 0x80:
            self.transport.write(struct.pack(">HBBQI", 0xDABB, 0x22, 20, number, 2) + b"NN")
        elif self.kind in ("java", "java27") and flags & 0x80:
            if body == b"\x01R":
                self.is_readonly = True
            elif body == b"\x01W" and self.kind == "java":
                self.is_readonly = False
        self.counts["events"] += 1

    def call(self, number):
        future = asyncio.get_running_loop().create_future()
        self.pending[number] = future
        self.transport.write(request(number))
        return future

    def lose(self):
        for future in self.pending.values():
            self.counts["lost"] += 1
            if not future.done():
                future.set_result(-1)
        self.pending = {}

    def connection_lost(self, error):
        self.is_open = False
        if error is not None:
            self.counts["reset"] += 1
        self.lose()


class Consumer:
    """An application with a connection to each provider, which its callers share."""

    def __init__(self, kind, addresses, counts):
        self.kind, self.addresses, self.counts = kind, addresses, counts
        self.links = {address: None for address in addresses}
        # When it looks again at a provider that has left, in its opinion.
        self.barred_until = {address: 0 for address in addresses}
        self.opening = {address: asyncio.Lock() for address in addresses}
        self.number = random.getrandbits(62)
        self.turn = random.randrange(len(addresses))
        self.start = asyncio.get_running_loop().time()

    async def link(self, address):
        async with self.opening[address]:
            link, now = self.links[address], asyncio.get_running_loop().time()
            if link is not None and not link.is_open and not link.is_gone and self.kind == "java" and link.is_readonly:
                self.barred_until[address] = now + TIMER_SECONDS - (now - self.start) % TIMER_SECONDS
            elif link is not None and link.is_gone:
                self.barred_until[address] = now + GONE_SECONDS
            elif link is not None and link.is_open:
                return link
            self.links[address] = None
            if now < self.barred_until[address]:
                return None
            try:
                _, link = await asyncio.get_running_loop().create_connection(
                    lambda: Link(self.kind, self.counts), *address)
            except OSError:
                self.counts["unreachable"] += 1
                self.barred_until[address] = now + 1
                return None
            self.links[address] = link
            return link

    async def choose(self, tried):
        self.turn = (self.turn + 1) % len(self.addresses)
        order = self.addresses[self.turn:] + self.addresses[:self.turn]
        links = [(address, await self.link(address)) for address in order if address not in tried]
        links = [(address, link) for address, link in links if link is not None]
        usable = [(address, link) for address, link in links if link.is_available]
        if not usable and self.kind != "java":
            usable = [(address, link) for address, link in links if link.is_open and not link.is_gone]
        return usable[0] if usable else (None, None)

    async def one(self):
        tried = set()
        for _ in range(TRIES):
            address, link = await self.choose(tried)
            if link is None and tried:
                # All were tried: any may be tried once more.
                address, link = await self.choose(set())
            if link is None:
                break
            self.number += 1
            self.counts[f"to_{'ab'[self.addresses.index(address)]}"] += 1
            if await link.call(self.number) == 20:
                return
            tried.add(address)
        self.counts["failed"] += 1

    async def run(self, state):
        await asyncio.sleep(random.random() * state["pause"])
        while not state["ends"]:
            await self.one()
            self.counts["calls"] += 1
            await asyncio.sleep((0.6 + random.random() * 0.8) * state["pause"])

    def close(self):
        for link in self.links.values():
            if link is not None and link.is_open:
                link.transport.close()


async def call(addresses, kinds, pause):
    counts = {kind: collections.Counter() for kind in kinds}
    state = {"ends": False, "pause": pause}
    consumers, tasks = [], []
    for kind, (number, callers) in kinds.items():
        for _ in range(number):
            consumers.append(Consumer(kind, addresses, counts[kind]))
            tasks += [asyncio.create_task(consumers[-1].run(state)) for _ in range(callers)]
    print("running", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip() == "mark":
            print(json.dumps(counts), flush=True)
            for each in counts.values():
                each.clear()
    state["ends"] = True
    await asyncio.gather(*tasks)
    for consumer in consumers:
        consumer.close()
    print(json.dumps(counts), flush=True)


class Recorder:
    def __init__(self):
        self.written, self.is_closed = b"", False

    def write(self, data):
        self.written += data

    def close(self):
        self.is_closed = True


async def react(frames):
    result = {}
    for kind in ("java", "java27", "go", "go331"):
        link = Link(kind, collections.Counter())
        link.transport = Recorder()
        link.pending = {number: asyncio.get_running_loop().create_future() for number in (2, 4, 6)}
        for frame in frames:
            link.data_received(bytes.fromhex(frame))
        result[kind] = {"available": link.is_available, "written": link.transport.written.hex(),
                        "closed": link.transport.is_closed, "lost": link.counts["lost"]}
    print(json.dumps(result))


def address_of(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)


def number_of(text):
    number, _, callers = text.partition("x")
    return int(number), int(callers or 1)


def main():
    if 3 <= len(sys.argv) <= 4 and sys.argv[1] == "serve":
        asyncio.run(serve(float(sys.argv[2]), *address_of(sys.argv[3] if len(sys.argv) > 3 else "0")))
    elif len(sys.argv) > 3 and sys.argv[1] == "call":
        kinds = {kind: number_of(number) for kind, number in (item.split("=") for item in sys.argv[3:])}
        pause, _ = kinds.pop("pause", (50, 1))
        asyncio.run(call([address_of(text) for text in sys.argv[2].split(",")], kinds, pause / 1000))
    elif len(sys.argv) > 2 and sys.argv[1] == "react":
        asyncio.run(react(sys.argv[2:]))
    else:
        sys.exit(__doc__)


main()
