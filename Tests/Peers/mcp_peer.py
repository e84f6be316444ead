#!/usr/bin/env python3
"""An MCP server and clients of the `mcp` package that exercise it, over HTTP/1.1.

usage: mcp_peer.py serve
         Listens on 127.0.0.1 and prints the port as its first line: streamable HTTP at /mcp, the old HTTP+SSE at /sse.
         Ends when standard input ends, and then prints one JSON line: the messages that clients posted, by method, with
         `response` for replies to what it had asked them.
       mcp_peer.py call PORT legacy|auto|sse [--long SECONDS]
         Calls every tool and prints one JSON line: the calls by method and result (`result`, `notification`, the error's
         code, `cancelled`), how many notifications came, and the problems. Exit 1 on a problem.

`legacy` speaks MCP 2025-11-25 with sessions, `auto` finds the newest version (2026-07-28), `sse` is the transport of 2024.
"""
import argparse
import asyncio
import collections
import contextlib
import json
import socket
import sys
import threading

import uvicorn
from mcp import Client
from mcp.client.sse import sse_client
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import Mount


# --- The server ---------------------------------------------------------------------------------------------------


class Name(BaseModel):
    """What a user is asked for."""

    name: str


def make_server():
    server = MCPServer("weir-peer")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    @server.tool()
    def fail() -> str:
        raise ValueError("it fails")

    @server.tool()
    async def count(to: int, ctx: Context, pause: float = 0) -> str:
        for number in range(to):
            await ctx.report_progress(number, to)
            await asyncio.sleep(pause)
        return "counted"

    @server.tool()
    async def ask(ctx: Context) -> str:
        answer = await ctx.elicit("Who are you?", Name)
        return answer.data.name if answer.action == "accept" else answer.action

    @server.tool()
    async def sleep() -> str:
        await asyncio.sleep(60)
        return "slept"

    @server.tool()
    def big(size: int) -> str:
        return "x" * size

    return server


class Counting:
    """Counts the JSON-RPC messages that are posted, before anything else looks at them."""

    def __init__(self, app):
        self.app = app
        self.counts = collections.Counter()

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self.app(scope, receive, send)
        body = bytearray()

        async def counted():
            message = await receive()
            if message["type"] == "http.request":
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    self.count(bytes(body))
            return message

        await self.app(scope, counted, send)

    def count(self, body):
        message = json.loads(body)
        method = message.get("method")
        if method == "tools/call":
            method += ":" + message["params"]["name"]
        self.counts[method or "response"] += 1


def serve():
    streamable = make_server().streamable_http_app()
    app = Counting(
        Starlette(routes=[*streamable.routes, Mount("/", make_server().sse_app())], lifespan=streamable.router.lifespan_context)
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))

    def end():
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=end, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    server.run(sockets=[listener])
    print(json.dumps({"counts": dict(app.counts)}), flush=True)


# --- The client ---------------------------------------------------------------------------------------------------


class Caller:
    def __init__(self, mode, seconds):
        self.mode = mode
        self.seconds = seconds
        self.counts = collections.defaultdict(collections.Counter)
        self.progress = 0
        self.asked = 0
        self.problems = []

    def note(self, method, result):
        self.counts[method][result] += 1

    def check(self, what, is_right):
        if not is_right:
            self.problems.append(what)

    async def on_ask(self, context, params):
        self.asked += 1
        return ElicitResult(action="accept", content={"name": "weir"})

    async def on_progress(self, progress, total, message):
        self.progress += 1

    async def tool(self, client, name, arguments=None, **more):
        method = f"tools/call:{name}"
        try:
            result = await client.call_tool(name, arguments or {}, **more)
        except MCPError as error:
            self.note(method, str(error.error.code))
            return None
        self.note(method, "result")
        return result.content[0].text

    async def steps(self, client):
        tools = await client.list_tools()
        self.note("tools/list", "result")
        self.check("tools", {tool.name for tool in tools.tools} >= {"add", "ask"})
        for number in range(20):
            self.check("add", await self.tool(client, "add", {"a": number, "b": 1}) == str(number + 1))
        self.check("fail", "fail" in (await self.tool(client, "fail") or ""))
        await self.tool(client, "no_such_tool")
        before = self.progress
        said = await self.tool(client, "count", {"to": 30}, progress_callback=self.on_progress)
        self.check("count", said == "counted")
        self.check(f"progress {self.progress - before}", self.progress - before == 30)
        self.check("big", len(await self.tool(client, "big", {"size": 300_000}) or "") == 300_000)
        together = [self.tool(client, "add", {"a": number, "b": 2}) for number in range(30)]
        self.check("together", await asyncio.gather(*together) == [str(number + 2) for number in range(30)])
        # A server of 2026 asks nothing on its own.
        answer, asked = (None, 0) if self.mode == "auto" else ("weir", 1)
        self.check("ask", await self.tool(client, "ask") == answer and self.asked == asked)
        pause = self.seconds / 20
        long = await self.tool(client, "count", {"to": 20, "pause": pause}, progress_callback=self.on_progress)
        self.check("long", long == "counted")
        await self.cancelled(client)

    async def cancelled(self, client):
        call = asyncio.create_task(client.call_tool("sleep", {}))
        await asyncio.sleep(0.5)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        self.note("tools/call:sleep", "cancelled")
        await asyncio.sleep(0.5)
        # The session is as good as before.
        self.check("after", await self.tool(client, "add", {"a": 1, "b": 1}) == "2")

    async def run(self, port):
        url = f"http://127.0.0.1:{port}"
        target = sse_client(url + "/sse") if self.mode == "sse" else url + "/mcp"
        mode = "auto" if self.mode == "auto" else "legacy"
        async with Client(target, mode=mode, elicitation_callback=self.on_ask, cache=None) as client:
            await self.steps(client)


def call(port, mode, seconds):
    caller = Caller(mode, seconds)
    try:
        asyncio.run(asyncio.wait_for(caller.run(port), 90))
    except BaseException as error:  # The problem is told, whatever it is.
        caller.problems.append(repr(error))
    counts = {method: dict(results) for method, results in sorted(caller.counts.items())}
    total = sum(sum(results.values()) for results in counts.values())
    report = {"calls": total, "counts": counts, "progress": caller.progress, "asked": caller.asked}
    print(json.dumps({**report, "problems": caller.problems}), flush=True)
    return 1 if caller.problems else 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", choices=["serve", "call"])
    parser.add_argument("port", nargs="?", type=int)
    parser.add_argument("mode", nargs="?", choices=["legacy", "auto", "sse"])
    parser.add_argument("--long", type=float, default=2)
    arguments = parser.parse_args()
    if arguments.what == "serve":
        serve()
        return 0
    return call(arguments.port, arguments.mode, arguments.long)


if __name__ == "__main__":
    sys.exit(main())
