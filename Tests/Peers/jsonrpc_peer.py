#!/usr/bin/env python3
"""A JSON-RPC server and a client that exercises it, over HTTP/1.1 and over plain TCP.

usage: jsonrpc_peer.py serve
         Listens on 127.0.0.1 and prints the port as its first line; the same port takes HTTP and plain JSON, told apart
         by a connection's first byte. Ends when standard input ends or on SIGTERM, and then prints one JSON line: the
         calls it answered, by method.
       jsonrpc_peer.py call PORT [--only STEP,...] [--skip STEP,...] [--repeat N]
         Makes every kind of call and prints one JSON line: the calls by path, method and result code (`result`,
         `notification` or the error's code), a digest of every reply, and the problems. The line is the same for every
         run with the same arguments, whatever stands between the two; exit 1 on a problem.
       jsonrpc_peer.py steps
         Prints the names of the steps; those that begin with `tcp_` use plain TCP.

HTTP: a path with `Dubbo` in it is answered as dubbo-go does it: errors with status 500 and with a `result` beside the
`error`. A request header `X-Reply` asks for a reply that is `chunked`, ends with the
connection (`close`) or comes in pieces (`split`).

Standard library only.
"""
import argparse
import collections
import hashlib
import json
import signal
import socket
import sys
import threading
import time

# --- The server ---------------------------------------------------------------------------------------------------


class Calls:
    """The methods, and how often each was called."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = collections.Counter()

    def result(self, method, params):
        """What a method gives: `("result", value)` or `("error", object)`."""
        if method in ("echo", "later", "汉字"):
            return "result", params
        if method == "add":
            if not isinstance(params, list) or not all(isinstance(p, (int, float)) for p in params):
                return "error", {"code": -32602, "message": "Invalid params"}
            return "result", sum(params)
        if method == "measure":
            return "result", hashlib.sha256(json.dumps(params).encode()).hexdigest()
        if method == "sleep":
            time.sleep(params[0] / 1000)
            return "result", "slept"
        if method == "big":
            return "result", "x" * params[0]
        if method == "null":
            return "result", None
        if method == "fail":
            return "error", {"code": params[0], "message": f"code {params[0]}: 失败", "data": {"error": {"code": 7}}}
        return "error", {"code": -32601, "message": "Method not found"}

    def reply(self, request, is_dubbo=False):
        """The reply to one request, `None` to a notification."""
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": None}
        with self.lock:
            self.counts[request["method"]] += 1
        kind, value = self.result(request["method"], request.get("params"))
        if "id" not in request:
            return None
        reply = {"jsonrpc": "2.0", kind: value, "id": request["id"]}
        if is_dubbo and kind == "error":
            reply = {"jsonrpc": "2.0", "result": {}, **reply}
        return reply

    def answer(self, message, is_dubbo=False):
        """The reply to a request or a batch, `None` if there is nothing to say."""
        if not isinstance(message, list):
            return self.reply(message, is_dubbo)
        if not message:
            return {"jsonrpc": "2.0", "error": {"code": -32600, "message": "empty batch"}, "id": None}
        replies = [r for r in (self.reply(m, is_dubbo) for m in message) if r is not None]
        if any(isinstance(m, dict) and m.get("method") == "later" for m in message):
            replies.reverse()
        return replies or None


def dump(value):
    return json.dumps(value, ensure_ascii=False).encode()


class Connection:
    """One accepted connection: reads either kind of traffic from its socket."""

    PARSE_ERROR = {"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": None}

    def __init__(self, peer, calls):
        self.peer = peer
        self.calls = calls
        self.file = peer.makefile("rb")

    def run(self):
        try:
            first = self.file.peek(1)[:1]
            if first and (first.isalpha()):
                while self.http():
                    pass
            elif first:
                self.plain()
        except (OSError, ValueError):
            pass
        finally:
            try:
                self.file.close()
                self.peer.close()
            except OSError:
                pass

    # Plain TCP.

    def plain(self):
        decoder, text, held = json.JSONDecoder(), "", None
        pending = b""
        while True:
            data = self.peer_read()
            if not data:
                return
            pending += data
            try:
                text += pending.decode()
                pending = b""
            except UnicodeDecodeError:
                continue
            while text.lstrip():
                text = text.lstrip()
                try:
                    message, end = decoder.raw_decode(text)
                except json.JSONDecodeError:
                    # Perhaps not all of it is there; what cannot become JSON is answered.
                    if text[0] not in "{[":
                        self.peer.sendall(dump(self.PARSE_ERROR) + b"\n")
                        return
                    break
                text = text[end:]
                held = self.plain_answer(message, held)

    def peer_read(self):
        return self.file.read1(65536)

    def plain_answer(self, message, held):
        reply = self.calls.answer(message)
        if isinstance(message, dict) and message.get("method") == "later" and held is None:
            return reply
        if isinstance(message, dict) and message.get("method") == "subscribe":
            reply = {"jsonrpc": "2.0", "result": True, "id": message.get("id")}
            notes = b"".join(dump({"jsonrpc": "2.0", "method": "tick", "params": [n]}) + b"\n" for n in range(3))
            self.peer.sendall(dump(reply) + b"\n" + notes)
            return held
        for one in (reply, held):
            if one is not None:
                self.peer.sendall(dump(one) + b"\n")
        return None

    # HTTP.

    def http(self):
        """Answers one request; whether the connection stays open."""
        line = self.file.readline(65536)
        if not line:
            return False
        method, target, _ = line.decode("latin-1").split(" ", 2)
        headers = {}
        while (line := self.file.readline(65536)) not in (b"\r\n", b"\n", b""):
            name, value = line.decode("latin-1").split(":", 1)
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self.peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.body(headers)
        keep = headers.get("connection", "").lower() != "close"
        if method in ("GET", "HEAD"):
            text = b"plain text"
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(text)
            self.peer.sendall(head + (text if method == "GET" else b""))
            return keep
        is_dubbo = "Dubbo" in target
        try:
            reply = self.calls.answer(json.loads(body), is_dubbo)
        except ValueError:
            reply = self.PARSE_ERROR
        return self.send(reply, headers.get("x-reply", ""), is_dubbo, keep)

    def body(self, headers):
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self.file.read(int(headers.get("content-length", 0)))
        body = b""
        while size := int(self.file.readline(65536).split(b";")[0], 16):
            body += self.file.read(size)
            self.file.readline(65536)
        while self.file.readline(65536) not in (b"\r\n", b"\n", b""):
            pass
        return body

    def send(self, reply, style, is_dubbo, keep):
        if reply is None:
            self.peer.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            return keep
        body = dump(reply)
        failed = is_dubbo and isinstance(reply, dict) and "error" in reply
        head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n" % (b"500 Error" if failed else b"200 OK")
        keep = keep and style != "close"
        if not keep:
            head += b"Connection: close\r\n"
        if style == "chunked":
            cut = [body[at:at + 7 + at] for at in self.cuts(len(body))]
            chunks = b"".join(b"%x;n=1\r\n%s\r\n" % (len(c), c) for c in cut if c)
            self.peer.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX-Trailer: t\r\n\r\n")
        elif style == "close":
            self.peer.sendall(head + b"\r\n" + body)
        else:
            whole = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
            pieces = [whole[at:at + 11] for at in range(0, len(whole), 11)] if style == "split" else [whole]
            for piece in pieces:
                self.peer.sendall(piece)
                if style == "split":
                    time.sleep(0.001)
        return keep

    @staticmethod
    def cuts(count):
        at = 0
        while at < count:
            yield at
            at += 7 + at


def serve(_):
    calls = Calls()
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(listener.getsockname()[1], flush=True)
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()

    def accept():
        while True:
            peer, _ = listener.accept()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Connection(peer, calls).run, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    while not done.wait(0.1):
        pass
    print(json.dumps({"counts": dict(sorted(calls.counts.items()))}), flush=True)
    return 0


# --- The client ---------------------------------------------------------------------------------------------------


class HTTPClient:
    """A connection to the server over HTTP."""

    def __init__(self, port):
        self.peer = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.peer.makefile("rb")

    def close(self):
        self.file.close()
        self.peer.close()

    @staticmethod
    def request(path, body, extra="", method="POST"):
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{extra}"
        if method == "POST" and "Transfer-Encoding" not in extra:
            head += f"Content-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body

    def response(self, method="POST"):
        """The next response: its status and its body."""
        while True:
            status = int(self.file.readline().split(b" ")[1])
            headers = {}
            while (line := self.file.readline()) not in (b"\r\n", b""):
                name, value = line.decode("latin-1").split(":", 1)
                headers[name.strip().lower()] = value.strip()
            if status >= 200:
                break
        if method == "HEAD" or status in (204, 304):
            return status, b""
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.file.readline().split(b";")[0], 16):
                body += self.file.read(size)
                self.file.readline()
            while self.file.readline() not in (b"\r\n", b""):
                pass
            return status, body
        if "content-length" in headers:
            return status, self.file.read(int(headers["content-length"]))
        return status, self.file.read()


class Client:
    """Makes calls and keeps what became of them."""

    PATH = "/com.example.CalcService"
    IDS = (1, 0, -1, 2**53 + 1, 1.5, "a", "", "汉字 id", "x" * 300, None, '"quoted"\\')

    def __init__(self, options):
        self.options = options
        self.counts = collections.Counter()
        self.digest = hashlib.sha256()
        self.problems = []

    def check(self, what, got, want):
        if got != want:
            self.problems.append(f"{what}: {str(got)[:200]!r} instead of {str(want)[:200]!r}")

    def note(self, path, request, reply):
        """Counts the members of a request by what the reply says of each."""
        self.digest.update(dump(reply) + b"\n")
        members = request if isinstance(request, list) else [request]
        replies = reply if isinstance(reply, list) else [] if reply is None else [reply]
        by_id = {json.dumps(r.get("id")): r for r in replies}
        # A request that is answered as none at all is one of no method.
        if isinstance(reply, dict) and "error" in reply and reply.get("id") is None \
                and reply["error"]["code"] in (-32700, -32600):
            self.counts[(f"{path}#", str(reply["error"]["code"]))] += 1
            return
        for member in members:
            if not isinstance(member, dict) or "method" not in member:
                continue
            answer = by_id.get(json.dumps(member.get("id"))) if "id" in member else None
            code = "notification" if "id" not in member else "unanswered" if answer is None \
                else str(answer["error"]["code"]) if "error" in answer else "result"
            self.counts[(f"{path}#{member['method']}", code)] += 1

    @staticmethod
    def rpc(method, params=None, ident=1, **more):
        request = {"jsonrpc": "2.0", "method": method, **more}
        if params is not None:
            request["params"] = params
        if ident is not ...:
            request["id"] = ident
        return request

    def post(self, client, request, want=..., path=PATH, extra="", body=None, status=200):
        """One HTTP call; `want` is the result, or `{"code": …}` for an error."""
        client.peer.sendall(client.request(path, dump(request) if body is None else body, extra))
        return self.take(client, request, want, path, status)

    def take(self, client, request, want=..., path=PATH, status=200):
        got, body = client.response()
        reply = json.loads(body) if body else None
        self.note(path, request, reply)
        self.check(f"{path} status", got, status)
        if isinstance(reply, dict) and isinstance(request, dict):
            self.check("id", reply.get("id"), request.get("id"))
        if want is not ... and isinstance(reply, dict):
            shown = {"code": reply["error"]["code"]} if "error" in reply else reply.get("result")
            self.check(f"{path} {request.get('method') if isinstance(request, dict) else ''}", shown, want)
        return reply

    # The steps over HTTP.

    def step_ids(self):
        client = HTTPClient(self.options.port)
        for ident in self.IDS:
            self.post(client, self.rpc("echo", [ident], ident), [ident])
        object_ = {"k": "值"}
        for method, params, want in (("add", [1, 2, 3.5], 6.5), ("null", None, None), ("汉字", object_, object_)):
            self.post(client, self.rpc(method, params), want)
        client.close()

    def step_errors(self):
        client = HTTPClient(self.options.port)
        for code in (-32603, -32000, -32099, -32100, -32768, 1001, -1, 0):
            self.post(client, self.rpc("fail", [code]), {"code": code})
        self.post(client, self.rpc("missing"), {"code": -32601})
        self.post(client, self.rpc("add", ["a"]), {"code": -32602})
        self.post(client, {"jsonrpc": "2.0", "id": None, "params": []}, {"code": -32600})
        self.post(client, {"id": None}, {"code": -32700}, body=b'{"jsonrpc": "2.0", "method": ')
        client.close()

    def step_pipelined(self):
        client = HTTPClient(self.options.port)
        requests = [self.rpc("echo", ["x" * (n * 37 % 900), n], n) for n in range(40)]
        client.peer.sendall(b"".join(client.request(self.PATH, dump(r)) for r in requests))
        for request in requests:
            self.take(client, request, request["params"])
        client.close()

    def step_chunked(self):
        client = HTTPClient(self.options.port)
        request = self.rpc("echo", ["y" * 500])
        body = dump(request)
        for size in (1, 7, 100, 10_000):
            chunks = [body[at:at + size] for at in range(0, len(body), size)]
            framed = b"".join(b"%X;ext=\"v\"\r\n%s\r\n" % (len(c), c) for c in chunks)
            framed += b"0\r\nX-Trailer: value\r\n\r\n"
            self.post(client, request, request["params"], extra="Transfer-Encoding: chunked\r\n", body=framed)
        for style in ("chunked", "split", "close"):
            self.post(client, request, request["params"], extra=f"X-Reply: {style}\r\n")
        client.close()

    def step_batches(self):
        client = HTTPClient(self.options.port)
        batch = [self.rpc("echo", [n], n) for n in range(5)]
        batch += [self.rpc("missing", None, "m"), self.rpc("fail", [7], "f")]
        self.check("batch", len(self.post(client, batch)), 7)
        batch.insert(2, self.rpc("echo", ["note"], ...))
        self.check("batch with a notification", len(self.post(client, batch)), 7)
        later = [self.rpc("later", [1], 1), self.rpc("echo", [2], 2)]
        self.check("reversed batch", [r["id"] for r in self.post(client, later)], [2, 1])
        self.post(client, [self.rpc("echo", [1], ...), self.rpc("echo", [2], ...)], status=204)
        self.check("empty batch", self.post(client, [])["error"]["code"], -32600)
        self.check("batch of garbage", [r["error"]["code"] for r in self.post(client, [1, 2])], [-32600, -32600])
        client.close()

    def step_notifications(self):
        client = HTTPClient(self.options.port)
        for _ in range(3):
            self.post(client, self.rpc("echo", [1], ...), status=204)
        self.post(client, self.rpc("echo", [1]), [1])
        client.close()

    def step_spelling(self):
        """The same call spelled in ways that a scanner may misread."""
        client = HTTPClient(self.options.port)
        request = self.rpc("echo", ["v"], 7)
        filler = json.dumps({"method": "no", "id": 0, "deep": [[[{"method": "no"}]]], "text": 'a"]}\\' * 2000})
        for body in (
            '{"id":7,"params":["v"],"method":"echo","jsonrpc":"2.0"}',
            ' \r\n\t{ "jsonrpc" : "2.0" , "id" : 7 , "method" : "echo" , "params" : [ "v" ] } \n',
            '{"jsonrpc":"2.0","\\u006dethod":"\\u0065cho","id":7,"params":["v"]}',
            '{"filler":%s,"params":["v"],"id":7,"method":"echo","jsonrpc":"2.0"}' % filler,
            '{"method":"echo","params":["v"],"id":7}',
        ):
            self.post(client, request, ["v"], body=body.encode())
        client.close()

    def step_big(self):
        client = HTTPClient(self.options.port)
        params = ["z" * (2 << 20)]
        digest = hashlib.sha256(json.dumps(params).encode()).hexdigest()
        self.post(client, self.rpc("measure", params), digest)
        self.post(client, self.rpc("big", [2 << 20]), "x" * (2 << 20))
        client.close()

    def step_expect(self):
        client = HTTPClient(self.options.port)
        request = self.rpc("echo", ["continued"])
        body = dump(request)
        for _ in range(2):
            whole = client.request(self.PATH, body, "Expect: 100-continue\r\n")
            client.peer.sendall(whole[:-len(body)])
            self.check("interim", client.file.readline(), b"HTTP/1.1 100 Continue\r\n")
            client.file.readline()
            client.peer.sendall(body)
            self.take(client, request, ["continued"])
        client.close()

    def step_dubbo(self):
        """As dubbo-go calls: a connection a call, headers of its own, errors with status 500."""
        path = "/com.example.DubboUserService"
        extra = (
            "Accept: application/json\r\nTimeout: 3s\r\nConnection: close\r\n"
            "Uber-Trace-Id: 6ba7b8109dad11d1:80b400c04fd430c8:0:1\r\n"
        )
        for method, params, want, status in (
            ("echo", ["A001"], ["A001"], 200), ("missing", [], {"code": -32601}, 500),
            ("fail", [-32000], {"code": -32000}, 500),
        ):
            client = HTTPClient(self.options.port)
            self.post(client, self.rpc(method, params, 1234), want, path, extra, status=status)
            self.check("end", client.file.read(), b"")
            client.close()

    def step_other_http(self):
        """HTTP that is no JSON-RPC, on the same connection."""
        client = HTTPClient(self.options.port)
        for method in ("GET", "HEAD", "GET"):
            client.peer.sendall(client.request("/health", b"", method=method))
            self.check(method, client.response(method), (200, b"" if method == "HEAD" else b"plain text"))
        self.post(client, self.rpc("echo", [1]), [1])
        client.close()

    def step_connections(self):
        """Calls on several connections at once."""
        clients = [HTTPClient(self.options.port) for _ in range(10)]
        for round_ in range(5):
            for number, client in enumerate(clients):
                client.peer.sendall(client.request(self.PATH, dump(self.rpc("echo", [number, round_], number))))
            for number, client in enumerate(clients):
                self.take(client, self.rpc("echo", None, number), [number, round_])
        for client in clients:
            client.close()

    # The steps over plain TCP.

    def plain(self, requests, data, count):
        """Writes bytes and reads so many lines; the replies in the order of their arrival."""
        with socket.create_connection(("127.0.0.1", self.options.port), timeout=30) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in data:
                peer.sendall(piece)
            file = peer.makefile("rb")
            lines = [json.loads(file.readline()) for _ in range(count)]
            peer.shutdown(socket.SHUT_WR)
            self.check("end", file.read(), b"")
        by_id = {}
        for line in lines:
            for reply in line if isinstance(line, list) else [line]:
                by_id[json.dumps(reply.get("id"))] = reply
        for request in requests:
            members = request if isinstance(request, list) else [request]
            found = [by_id[json.dumps(m["id"])] for m in members if "id" in m and json.dumps(m["id"]) in by_id]
            self.note("", request, found)
        return lines

    def mixed(self):
        requests = [self.rpc("echo", ["text 汉字 " * n], n) for n in range(20)]
        requests[3] = self.rpc("missing", None, 3)
        requests[4] = self.rpc("fail", [1001], 4)
        requests[5] = self.rpc("echo", ["note"], ...)
        requests[6] = [self.rpc("echo", [1], "b1"), self.rpc("echo", [2], "b2"), self.rpc("echo", [3], ...)]
        requests[7] = [self.rpc("echo", [1], ...)]
        return requests

    def step_tcp_lines(self):
        for end in (b"\n", b"\r\n"):
            requests = self.mixed()
            lines = self.plain(requests, [b"".join(dump(r) + end for r in requests)], 18)
            ids = [r["id"] for r in lines if isinstance(r, dict)]
            self.check("replies in order", ids, [0, 1, 2, 3, 4, *range(8, 20)])

    def step_tcp_back_to_back(self):
        requests = self.mixed()
        self.plain(requests, [b"".join(dump(r) for r in requests)], 18)

    def step_tcp_pieces(self):
        requests = self.mixed()[:8]
        data = b"".join(dump(r) for r in requests)
        self.plain(requests, [data[at:at + 1] for at in range(len(data))], 6)

    def step_tcp_ids(self):
        requests = [self.rpc("echo", [n], ident) for n, ident in enumerate(self.IDS)]
        lines = self.plain(requests, [b"\n".join(dump(r) for r in requests)], len(requests))
        self.check("ids", [r["id"] for r in lines], list(self.IDS))

    def step_tcp_out_of_order(self):
        requests = [self.rpc("later", ["first"], 1), self.rpc("echo", ["second"], 2), self.rpc("echo", ["third"], 3)]
        lines = self.plain(requests, [b"\n".join(dump(r) for r in requests)], 3)
        self.check("order", [r["id"] for r in lines], [2, 1, 3])

    def step_tcp_server_notifications(self):
        request = self.rpc("subscribe", [], 5)
        lines = self.plain([request], [dump(request) + b"\n"], 4)
        self.check("notifications", [r.get("method") for r in lines], [None, "tick", "tick", "tick"])

    def step_tcp_big(self):
        request = self.rpc("echo", ["z" * (1 << 20)], 9)
        lines = self.plain([request], [dump(request) + b"\n"], 1)
        self.check("big", lines[0]["result"], request["params"])

    STEPS = tuple(
        "ids errors pipelined chunked batches notifications spelling big expect dubbo other_http connections tcp_lines "
        "tcp_back_to_back tcp_pieces tcp_ids tcp_out_of_order tcp_server_notifications tcp_big".split()
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
        counts = {}
        for (method, code), count in sorted(self.counts.items()):
            counts.setdefault(method, {})[code] = count
        return {
            "steps": steps, "calls": sum(self.counts.values()), "counts": counts, "digest": self.digest.hexdigest(),
            "problems": self.problems,
        }


def call(options):
    summary = Client(options).run()
    print(json.dumps(summary, ensure_ascii=False), flush=True)
    return 1 if summary["problems"] else 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = arguments.add_subparsers(dest="verb", required=True)
    verbs.add_parser("serve").set_defaults(run=serve)
    verbs.add_parser("steps").set_defaults(run=lambda _: print("\n".join(Client.STEPS)) or 0)
    client = verbs.add_parser("call")
    client.add_argument("port", type=int)
    client.add_argument("--only", help="these steps, separated by commas")
    client.add_argument("--skip", help="not these steps")
    client.add_argument("--repeat", type=int, default=1, help="how often all steps are made")
    client.set_defaults(run=call)
    options = arguments.parse_args()
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
