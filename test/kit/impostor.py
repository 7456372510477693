"""A caller of the Workload API that is somebody else when it asks than when it connected: see impostors.test.ts."""

import os
import socket
import struct
import sys

how, path = sys.argv[1], sys.argv[2]
DATA, HEADERS, RESET, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4


def connected():
    caller = socket.socket(socket.AF_UNIX)
    caller.connect(path)
    caller.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b""))
    # Once the agent answers, it knows who connected.
    caller.recv(1, socket.MSG_PEEK)
    return caller


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def ask(caller):
    headers = b"".join(
        literal(name, value)
        for name, value in [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", b"/SpiffeWorkloadAPI/FetchX509SVID"),
            (b":authority", b"localhost"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
            (b"workload.spiffe.io", b"true"),
        ]
    )
    caller.sendall(
        frame(HEADERS, END_HEADERS, 1, headers) + frame(DATA, END_STREAM, 1, bytes(5))
    )


def read(caller, length):
    got = b""
    while len(got) < length:
        more = caller.recv(length - len(got))
        if not more:
            raise ConnectionError
        got += more
    return got


def answer(caller):
    try:
        while True:
            head = read(caller, 9)
            length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
            read(caller, length)
            if kind == DATA and length > 5:
                return "served"
            if kind in (RESET, GOAWAY) or (kind == HEADERS and flags & END_STREAM):
                return "refused"
    except ConnectionError:
        return "refused"


def main():
    if how == "inherited":
        caller = socket.socket(fileno=int(sys.argv[3]))
    else:
        caller = connected()
    if how == "program":
        caller.set_inheritable(True)
        program = sys.argv[3]
        os.execv(program, [program, __file__, "inherited", path, str(caller.fileno())])
    if how == "child":
        parent = os.getpid()
        if os.fork() != 0:
            os._exit(0)
        while os.getppid() == parent:
            os.sched_yield()
    if how == "user":
        os.setresuid(65534, 65534, 65534)
    ask(caller)
    if how != "dying":
        print(answer(caller))


main()
