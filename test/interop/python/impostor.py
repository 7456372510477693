"""A caller of the Workload API that is somebody else when it asks than when it connected: see impostors.test.ts."""

import os
import socket
import sys

from workload_request import DATA, END_STREAM, HEADERS, fetch_x509_svid, opening

how, path = sys.argv[1], sys.argv[2]
RESET, GOAWAY = 3, 7


def connected():
    caller = socket.socket(socket.AF_UNIX)
    caller.connect(path)
    caller.sendall(opening)
    # Once the agent answers, it knows who connected.
    caller.recv(1, socket.MSG_PEEK)
    return caller


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
    caller.sendall(fetch_x509_svid)
    if how != "dying":
        print(answer(caller))


main()
