#!/usr/bin/env python3
"""A gRPC server and a client for a proxy that gives requests a trace context of its own.

usage: traced_peer.py serve
         Listens on 127.0.0.1 and prints the port as its first line. Ends when standard input ends, and then prints one
         JSON line: for each call's number what it came with as traceparent (a list), and as tracestate.
       traced_peer.py call PORT COUNT
         Makes COUNT calls, some streams, some with large headers: of three in a row the first has a sampled context,
         the second one that is not sampled, the third none. Prints one JSON line: how many were answered, the problems,
         and each call's context.

Needs grpcio.
"""
import concurrent.futures
import json
import sys
import threading

import grpc

OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.max_metadata_size", 65536)]


class Service(grpc.GenericRpcHandler):
    def __init__(self):
        self.seen, self.lock = {}, threading.Lock()

    def service(self, details):
        metadata = details.invocation_metadata
        number = next(value for name, value in metadata if name == "x-number")
        with self.lock:
            self.seen[number] = {
                "traceparent": [value for name, value in metadata if name == "traceparent"],
                "tracestate": [value for name, value in metadata if name == "tracestate"],
            }
        if details.method.endswith("/Stream"):
            return grpc.stream_unary_rpc_method_handler(lambda parts, _: b"".join(parts))
        return grpc.unary_unary_rpc_method_handler(lambda request, _: request)


def serve():
    service = Service()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), handlers=(service,), options=OPTIONS)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(5).wait()
    print(json.dumps({"seen": service.seen}), flush=True)


def context(number):
    if number % 3 == 2:
        return ""
    return f"00-{number:032x}-{number + 7:016x}-0{1 - number % 3}"


def call(port, count):
    problems, answered = [], 0
    with grpc.insecure_channel(f"127.0.0.1:{port}", OPTIONS) as channel:
        unary = channel.unary_unary("/weir.test.Traced/Unary")
        stream = channel.stream_unary("/weir.test.Traced/Stream")

        def one(number):
            body = bytes([number & 255]) * (30000 if number % 11 == 0 else number % 300)
            headers = [("x-number", str(number)), ("tracestate", f"a={number % 5}")]
            if number % 7 == 0:
                headers.append(("x-large", "y" * 3000))
            if context(number):
                headers.append(("traceparent", context(number)))
            try:
                if number % 5 == 0:
                    answer, expected = stream(iter([body, body]), timeout=60, metadata=headers), body * 2
                else:
                    answer, expected = unary(body, timeout=60, metadata=headers), body
                if answer == expected:
                    return 1
                problems.append(f"{number}: {len(answer)} bytes of {len(expected)}")
            except grpc.RpcError as error:
                problems.append(f"{number}: {error.code()} {error.details()}")
            return 0

        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            answered = sum(pool.map(one, range(1, count + 1)))
    contexts = {str(number): context(number) for number in range(1, count + 1)}
    print(json.dumps({"answered": answered, "problems": problems[:20], "contexts": contexts}))
    return 1 if problems else 0


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        sys.exit(call(int(sys.argv[2]), int(sys.argv[3])))
