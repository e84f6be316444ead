#!/usr/bin/env python3
"""An HTTP server of long answers, and clients that do not read them until they are told.

usage: slow_peer.py serve BYTES
         Listens on 127.0.0.1 and prints the port as its first line. Answers GET /NUMBER with so many bytes, which
         depend on the number. Ends when standard input ends.
       slow_peer.py call PORT CONNECTIONS BYTES
         Opens the connections with the smallest receive buffers, sends a request on each, prints "open", and reads
         nothing until a line comes on standard input. Then reads all answers, a little of each at a time, and prints
         one JSON line: how many were exact, and what was wrong with others. Exit 1 if any was.

Python 3, standard library only.
"""
import json
import random
import resource
import selectors
import socket
import sys

# Prime, so that no buffer's size hides a shift.
PERIOD = 65_521
BLOCK = random.Random(1).randbytes(PERIOD) * 3


def piece(number, at, count):
    start = (number * 7919 + at) % PERIOD
    return BLOCK[start:start + min(count, PERIOD)]


def head(count):
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % count


def serve(count):
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listener.getsockname()[1], flush=True)
    listener.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    at = {}
    while True:
        for key, _ in selector.select():
            peer = key.fileobj
            if peer is sys.stdin:
                return
            if peer is listener:
                accept(listener, selector)
            elif key.data is None:
                begin(peer, count, selector)
            else:
                proceed(peer, key.data, count, at, selector)


def accept(listener, selector):
    while True:
        try:
            peer, _ = listener.accept()
        except BlockingIOError:
            return
        peer.setblocking(False)
        selector.register(peer, selectors.EVENT_READ)


def begin(peer, count, selector):
    request = peer.recv(4096)
    if not request:
        selector.unregister(peer)
        return peer.close()
    # The requests are short enough to come in one piece, and the head of the answer finds room.
    peer.send(head(count))
    selector.modify(peer, selectors.EVENT_WRITE, data=int(request.split()[1][1:]))


def proceed(peer, number, count, at, selector):
    done = at.get(peer, 0)
    if done < count:
        at[peer] = done + peer.send(piece(number, done, count - done))
    else:
        del at[peer]
        selector.modify(peer, selectors.EVENT_READ)


def call(port, connections, count):
    selector = selectors.DefaultSelector()
    begun = head(count)
    state = {}
    for number in range(connections):
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        peer.connect(("127.0.0.1", port))
        peer.sendall(b"GET /%d HTTP/1.1\r\nHost: slow\r\n\r\n" % number)
        peer.setblocking(False)
        state[peer] = (number, 0)
    print("open", flush=True)
    sys.stdin.readline()
    for peer in state:
        selector.register(peer, selectors.EVENT_READ)
    exact, problems = 0, []
    while state:
        for key, _ in selector.select():
            peer = key.fileobj
            number, at = state[peer]
            try:
                some = peer.recv(65_536)
            except OSError as error:
                some, problem = b"", f"{number} at {at}: {error}"
            else:
                problem = check(number, at, some, begun, count)
            at += len(some)
            state[peer] = (number, at)
            if problem:
                problems.append(problem)
            elif at == len(begun) + count:
                exact += 1
            else:
                continue
            selector.unregister(peer)
            peer.close()
            del state[peer]
    print(json.dumps({"exact": exact, "problems": problems[:10]}), flush=True)
    return 1 if problems else 0


def check(number, at, some, begun, count):
    """What is wrong with bytes that came at a place of an answer; None for nothing."""
    if not some:
        return f"{number} ended at {at} of {len(begun) + count}"
    done = 0
    while done < len(some):
        place = at + done
        if place < len(begun):
            expected = begun[place:]
        else:
            expected = piece(number, place - len(begun), len(some) - done)
        part = some[done:done + len(expected)]
        if not expected.startswith(part):
            return f"{number} has other bytes at {place}"
        done += len(part)
    return None


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]))
    elif sys.argv[1:2] == ["call"]:
        sys.exit(call(*(int(text) for text in sys.argv[2:5])))
    else:
        sys.exit(__doc__)
