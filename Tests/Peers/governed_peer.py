#!/usr/bin/env python3
"""A gRPC server and a client for a proxy that refuses some calls and adds a header to others.

usage: governed_peer.py serve
         Listens on 127.0.0.1 and prints the port as its first line. Ends when standard input ends, and then prints one
         JSON line: how many calls reached it, and how many of them had the header x-weir-mark.
       governed_peer.py call PORT COUNT
         Makes COUNT calls, some hundred at a time: small and large messages, large headers, streams of requests, some
         cancelled. Prints one JSON line: how many were answered, refused (RESOURCE_EXHAUSTED) and cancelled, and the
         problems: answers that are not what they should be.

Needs grpcio.
"""
import collections
import concurrent.futures
import json
import sys
import threading

import grpc

OPTIONS = [
    ("grpc.enable_http_proxy", 0), ("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 16384),
    ("grpc.max_metadata_size", 65536), ("grpc.http2.hpack_table_size.decoder", 512),
]


class Service(grpc.GenericRpcHandler):
    def __init__(self):
        self.counts, self.lock = collections.Counter(), threading.Lock()

    def service(self, details):
        marked = any(name == "x-weir-mark" for name, _ in details.invocation_metadata)
        with self.lock:
            self.counts["calls"] += 1
            self.counts["marked"] += marked
        if details.method.endswith("/Stream"):
            return grpc.stream_unary_rpc_method_handler(lambda parts, _: b"".join(parts))
        return grpc.unary_unary_rpc_method_handler(lambda request, _: request)


def serve():
    service = Service()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(64), handlers=(service,), options=OPTIONS)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(5).wait()
    print(json.dumps({"counts": service.counts}), flush=True)


def call(port, count):
    results, problems = collections.Counter(), []
    with grpc.insecure_channel(f"127.0.0.1:{port}", OPTIONS) as channel:
        unary = channel.unary_unary("/weir.test.Governed/Unary")
        stream = channel.stream_unary("/weir.test.Governed/Stream")

        def one(number):
            body = bytes([number & 255]) * (40000 if number % 11 == 0 else number % 300)
            headers = [("x-number", str(number))]
            if number % 7 == 0:
                headers.append(("x-large", "y" * 3000))
            try:
                if number % 5 == 0:
                    answer = stream(iter([body, body, body]), timeout=60, metadata=headers)
                    expected = body * 3
                elif number % 13 == 0:
                    future = unary.future(body, timeout=60, metadata=headers)
                    future.cancel()
                    return "cancelled"
                else:
                    answer, expected = unary(body, timeout=60, metadata=headers), body
                if answer != expected:
                    problems.append(f"{number}: {len(answer)} bytes of {len(expected)}")
                return "answered"
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and error.details() == "over the limit: 100 %":
                    return "refused"
                problems.append(f"{number}: {error.code()} {error.details()}")
                return "failed"

        with concurrent.futures.ThreadPoolExecutor(200) as pool:
            for result in pool.map(one, range(1, count + 1)):
                results[result] += 1
    print(json.dumps({"results": results, "problems": problems[:20]}))
    return 1 if problems else 0


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        sys.exit(call(int(sys.argv[2]), int(sys.argv[3])))
