#!/usr/bin/env python3
"""A JSON-RPC server and a client that exercises it, over HTTP/2 with prior knowledge.

usage: h2rpc_peer.py serve
         Listens on 127.0.0.1 and prints the port as its first line. Ends when standard input ends or on SIGTERM, and
         then prints one JSON line: the calls it answered, by method.
       h2rpc_peer.py call PORT [--only STEP,...]
         Makes every kind of call and prints one JSON line: the calls by path, method and result code (`result`,
         `notification`, `unanswered` or the error's code), a digest of every reply, and the problems. The line is the
         same for every run with the same arguments, whatever stands between the two; exit 1 on a problem.
       h2rpc_peer.py count PORT CALLS [HEADER=VALUE ...]
         Makes so many calls of `add` on one connection and prints one JSON line: how often each status came with each
         result, and the traceparent that the server got last.
       h2rpc_peer.py obey PORT
         Calls until the server says by GOAWAY that the connection ends, and prints one JSON line: the last
         streams that its two GOAWAYs name, and the calls that were answered, and not. Its first line is `running`.

A path `/html` is answered with an error's page, `/reset` with RST_STREAM, `/early` before the request's end.

Needs h2, which hypercorn brings along.
"""
import argparse
import collections
import hashlib
import json
import signal
import socket
import sys
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events

import jsonrpc_peer

# --- The server ---------------------------------------------------------------------------------------------------


class Server:
    """One accepted connection."""

    def __init__(self, peer, calls):
        self.peer, self.calls = peer, calls
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config=config)
        self.requests, self.waiting = {}, {}

    def run(self):
        try:
            self.h2.initiate_connection()
            self.flush()
            while data := self.peer.recv(65536):
                for event in self.h2.receive_data(data):
                    self.take(event)
                self.flush()
        except OSError:
            pass
        finally:
            self.peer.close()

    def flush(self):
        self.peer.sendall(self.h2.data_to_send())

    def take(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.requests[event.stream_id] = (dict(event.headers), bytearray())
            if self.requests[event.stream_id][0][":path"] == "/early":
                self.answer(event.stream_id, 413, b"too large", "text/plain")
        elif isinstance(event, h2.events.DataReceived):
            if event.stream_id in self.requests:
                self.requests[event.stream_id][1].extend(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.requests.pop(event.stream_id, None)
        elif isinstance(event, h2.events.WindowUpdated):
            for stream in list(self.waiting):
                self.write(stream)

    def ended(self, stream):
        headers, body = self.requests.pop(stream, ({}, b""))
        path = headers.get(":path")
        if path == "/early" or not headers:
            return
        if path == "/reset":
            self.h2.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
            return
        if path == "/html":
            self.answer(stream, 404, b"<html><body>{not found}</body></html>", "text/html")
            return
        if path == "/trace":
            self.calls.reply({"method": "add", "params": []})
            body = jsonrpc_peer.dump({"jsonrpc": "2.0", "result": headers.get("traceparent"), "id": 1})
            self.answer(stream, 200, body, "application/json")
            return
        try:
            reply = self.calls.answer(json.loads(body))
        except ValueError:
            reply = jsonrpc_peer.Connection.PARSE_ERROR
        if reply is None:
            self.h2.send_headers(stream, [(":status", "204")], end_stream=True)
            return
        self.answer(stream, 200, jsonrpc_peer.dump(reply), "application/json", trailers=path == "/trailers")

    def answer(self, stream, status, body, kind, trailers=False):
        self.h2.send_headers(stream, [(":status", str(status)), ("content-type", kind)])
        self.waiting[stream] = (body, trailers)
        self.write(stream)

    def write(self, stream):
        body, trailers = self.waiting[stream]
        while body:
            size = min(len(body), self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if size <= 0:
                self.waiting[stream] = (body, trailers)
                return
            self.h2.send_data(stream, body[:size])
            body = body[size:]
        del self.waiting[stream]
        if trailers:
            self.h2.send_headers(stream, [("x-checksum", "7")], end_stream=True)
        else:
            self.h2.end_stream(stream)


def serve(_):
    calls = jsonrpc_peer.Calls()
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def accept():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Server(peer, calls).run, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: finish(calls))
    sys.stdin.read()
    finish(calls)


def finish(calls):
    print(json.dumps({"counts": dict(calls.counts)}, ensure_ascii=False), flush=True)
    sys.stdout.flush()
    raise SystemExit(0)


# --- The client ---------------------------------------------------------------------------------------------------


class Client:
    """One connection: requests are sent, and their answers waited for, in any order."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.h2 = h2.connection.H2Connection(config=h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.answers, self.ended, self.last_streams = {}, set(), []
        self.unread = bytearray()
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def begin(self, path, more=(), kind="application/json"):
        stream = self.h2.get_next_available_stream_id()
        headers = [(":method", "POST"), (":scheme", "http"), (":authority", "peer"), (":path", path)]
        self.h2.send_headers(stream, headers + [("content-type", kind), *more])
        self.answers[stream] = [None, bytearray()]
        return stream

    def send(self, stream, data, is_last=True):
        data = bytes(data)
        while data:
            while (size := min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)) <= 0:
                self.read()
            self.h2.send_data(stream, data[:size])
            data = data[size:]
            self.flush()
        if is_last:
            self.h2.end_stream(stream)
        self.flush()

    def ask(self, path, message, more=()):
        stream = self.begin(path, more)
        self.send(stream, jsonrpc_peer.dump(message))
        return stream

    def read(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.unread += data
        # One by one: h2 takes nothing any more once it has seen a GOAWAY.
        while len(self.unread) >= 9 and len(self.unread) >= (size := 9 + int.from_bytes(self.unread[:3])):
            frame, self.unread = bytes(self.unread[:size]), self.unread[size:]
            if self.last_streams:
                self.take_late(frame)
            else:
                self.take(self.h2.receive_data(frame))
        self.flush()

    def take_late(self, frame):
        """What comes behind a GOAWAY: calls that are going on are answered, and the next GOAWAY follows a PING."""
        kind, flags, stream = frame[3], frame[4], int.from_bytes(frame[5:9]) & 0x7FFFFFFF
        if kind == 0:
            self.answers[stream][1].extend(frame[9:])
            self.answers[stream][0] = self.answers[stream][0] or 200
        elif kind == 6 and not flags & 1:
            self.socket.sendall(frame[:4] + b"\1" + frame[5:])
        elif kind == 7:
            self.last_streams.append(int.from_bytes(frame[9:13]))
        if kind in (0, 1) and flags & 1:
            self.ended.add(stream)

    def take(self, events):
        for event in events:
            stream = getattr(event, "stream_id", None)
            if isinstance(event, h2.events.ResponseReceived):
                self.answers[stream][0] = int(dict(event.headers)[":status"])
            elif isinstance(event, h2.events.DataReceived):
                self.answers[stream][1].extend(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            elif isinstance(event, h2.events.StreamReset):
                if stream not in self.ended:
                    self.answers[stream][0] = self.answers[stream][0] or "reset"
                self.ended.add(stream)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(stream)
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.last_streams.append(event.last_stream_id)

    def answer(self, stream):
        """The status and content of an answer, once it is complete."""
        while stream not in self.ended:
            self.read()
        status, body = self.answers[stream]
        return status, bytes(body)


def call(method, params=None, number=1):
    return {"jsonrpc": "2.0", "method": method, "params": params if params is not None else [], "id": number}


class Run:
    def __init__(self, port):
        self.port = port
        self.counts = collections.defaultdict(collections.Counter)
        self.digest = hashlib.sha256()
        self.problems, self.calls = [], 0

    def note(self, path, method, result):
        self.calls += 1
        self.counts[f"{path}#{method}"][str(result)] += 1

    def reply(self, client, stream, path, method):
        """Counts the answer to a single call."""
        status, body = client.answer(stream)
        self.digest.update(f"{status}".encode() + body)
        if status == "reset":
            return self.note(path, method, "unanswered")
        try:
            reply = json.loads(body)
        except ValueError:
            return self.note(path, method, f"status {status}")
        self.note(path, method, "result" if "result" in reply else reply["error"]["code"])
        return reply

    def expect(self, is_right, text):
        if not is_right:
            self.problems.append(text)

    # Steps.

    def single(self):
        client = Client(self.port)
        for number, (method, params) in enumerate([("add", [1, 2]), ("echo", ["汉字"]), ("nothing", []), ("add", ["x"])]):
            self.reply(client, client.ask("/shop", call(method, params, number)), "/shop", method)
        self.reply(client, client.ask("/a/b?c=d", call("echo", [3], "a text")), "/a/b", "echo")

    def together(self):
        client = Client(self.port)
        streams = [client.begin("/shop", [("x-long", "y" * 20_000)] if n % 7 == 0 else []) for n in range(80)]
        bodies = [jsonrpc_peer.dump(call("add", [n, 1], n)) for n in range(80)]
        for place, stream in enumerate(streams):
            client.send(stream, bodies[place][:20], is_last=False)
        for place, stream in reversed(list(enumerate(streams))):
            client.send(stream, bodies[place][20:])
        for place, stream in enumerate(streams):
            reply = self.reply(client, stream, "/shop", "add")
            self.expect(reply and reply["result"] == place + 1, f"{place}: {reply}")

    def batches(self):
        client = Client(self.port)
        for count in (3, 1500):
            batch = [call("later" if n == 1 else "echo", [n], n) for n in range(count)]
            del batch[2]["id"]
            status, body = client.answer(client.ask("/batch", batch))
            replies = json.loads(body)
            self.digest.update(body)
            self.expect(status == 200 and len(replies) == count - 1, f"{count}: {status} {len(replies)}")
            for member in batch:
                self.note("/batch", member["method"], "result" if "id" in member else "notification")

    def notifications(self):
        client = Client(self.port)
        message = call("note")
        del message["id"]
        status, _ = client.answer(client.ask("/shop", message))
        self.expect(status == 204, f"{status}")
        self.note("/shop", "note", "notification")

    def large(self):
        client = Client(self.port)
        for size in (70_000, 3_000_000):
            reply = self.reply(client, client.ask("/shop", call("echo", ["x" * size])), "/shop", "echo")
            self.expect(reply and len(reply["result"][0]) == size, f"{size}")
        self.reply(client, client.ask("/shop", call("big", [2_000_000])), "/shop", "big")

    def ends(self):
        client = Client(self.port)
        self.reply(client, client.ask("/trailers", call("echo", [1])), "/trailers", "echo")
        self.reply(client, client.ask("/reset", call("echo", [1])), "/reset", "echo")
        status, body = client.answer(client.ask("/html", call("echo", [1])))
        self.expect(status == 404 and body.startswith(b"<html>"), f"{status}")
        self.note("/html", "echo", "404")

    def others(self):
        client = Client(self.port)
        status, _ = client.answer(client.ask("/rest", {"name": "no call"}))
        self.expect(status == 200, f"{status}")


STEPS = [Run.single, Run.together, Run.batches, Run.notifications, Run.large, Run.ends, Run.others]


def run_calls(arguments):
    run = Run(arguments.port)
    only = arguments.only.split(",") if arguments.only else None
    for step in STEPS:
        if only is None or step.__name__ in only:
            try:
                step(run)
            except Exception as error:  # Whatever goes wrong is a finding.
                run.problems.append(f"{step.__name__}: {error!r}")
    counts = {name: dict(sorted(results.items())) for name, results in sorted(run.counts.items())}
    said = {"calls": run.calls, "counts": counts, "digest": run.digest.hexdigest(), "problems": run.problems}
    print(json.dumps(said, ensure_ascii=False), flush=True)
    return 1 if run.problems else 0


def count(arguments):
    client = Client(arguments.port)
    more = [tuple(text.split("=", 1)) for text in arguments.headers]
    counts = collections.Counter()
    streams = [client.ask("/shop", call("add", [1], number), more) for number in range(arguments.calls)]
    for stream in streams:
        status, body = client.answer(stream)
        reply = json.loads(body) if body else {}
        result = "result" if "result" in reply else reply.get("error", {}).get("code", "nothing")
        counts[f"{status} {result}"] += 1
    _, body = client.answer(client.ask("/trace", call("trace"), more))
    print(json.dumps({"counts": dict(counts), "trace": json.loads(body or b"{}").get("result")}), flush=True)
    return 0


def obey(arguments):
    client = Client(arguments.port)
    answered, failed = 0, 0
    print("running", flush=True)
    while True:
        try:
            _, body = client.answer(client.ask("/shop", call("add", [1])))
            answered += b'"result"' in body
            failed += b'"result"' not in body
        except (EOFError, OSError):
            failed += 1
            break
        if client.last_streams:
            break
    while len(client.last_streams) < 2:
        client.read()
    print(json.dumps({"last": client.last_streams, "answered": answered, "failed": failed}), flush=True)
    return 0


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    commands.add_parser("serve").set_defaults(run=serve)
    calling = commands.add_parser("call")
    calling.add_argument("port", type=int)
    calling.add_argument("--only", default="")
    calling.set_defaults(run=run_calls)
    counting = commands.add_parser("count")
    counting.add_argument("port", type=int)
    counting.add_argument("calls", type=int)
    counting.add_argument("headers", nargs="*")
    counting.set_defaults(run=count)
    obeying = commands.add_parser("obey")
    obeying.add_argument("port", type=int)
    obeying.set_defaults(run=obey)
    arguments = parser.parse_args()
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
