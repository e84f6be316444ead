#!/usr/bin/env python3
"""The two ends of one Dubbo call, for looking at a weir between them from outside.

usage: .ci/call.py provider             prints its port and answers every request with null
       .ci/call.py consumer PORT ADMIN  calls through PORT and looks for the call on the metrics page of ADMIN
"""
import socket
import struct
import sys
import time
import urllib.request

HEADER = struct.Struct(">2sBBQI")
MAGIC = b"\xda\xbb"
REQUEST, REPLY, OK = 0xC2, 0x02, 20


def text(value):
    """A string of at most 31 characters, in Hessian 2."""
    return bytes([len(value)]) + value.encode("ascii")


def request(identifier):
    names = ["2.0.2", "com.example.Smoke", "1.0.0", "hello", ""]
    body = b"".join(map(text, names)) + b"H" + text("group") + text("ci") + b"Z"
    return HEADER.pack(MAGIC, REQUEST, 0, identifier, len(body)) + body


def reply(identifier):
    body = b"\x92"  # null, without attachments
    return HEADER.pack(MAGIC, REPLY, OK, identifier, len(body)) + body


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            return None
        data += piece
    return data


def provide():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        with connection:
            while header := read_exactly(connection, HEADER.size):
                _, _, _, identifier, count = HEADER.unpack(header)
                read_exactly(connection, count)
                connection.sendall(reply(identifier))


def consume(port, admin):
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.settimeout(5)
        connection.sendall(request(7))
        wanted = reply(7)
        got = read_exactly(connection, len(wanted))
        assert got == wanted, f"the reply is {got!r}"
    counted = (
        'weir_calls_total{side="provider",protocol="dubbo",interface="com.example.Smoke",method="hello",'
        'version="1.0.0",group="ci",outcome="ok",code="OK"} 1'
    )
    page = ""
    for _ in range(50):
        page = urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=5).read().decode()
        if counted in page.splitlines():
            return
        time.sleep(0.1)
    sys.exit(f"the call is not on the page:\n{page}")


match sys.argv[1:]:
    case ["provider"]:
        provide()
    case ["consumer", port, admin]:
        consume(int(port), int(admin))
    case _:
        print(__doc__, file=sys.stderr)
        sys.exit(64)
