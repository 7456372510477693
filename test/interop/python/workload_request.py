"""A request for X509-SVIDs as bytes of HTTP/2, for callers that are too many, or too odd, for a client library."""

HEADERS, DATA, SETTINGS = 1, 0, 4
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name: bytes, value: bytes) -> bytes:
    """A header field that refers to no table [RFC 7541 6.2.2]."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


fields = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/SpiffeWorkloadAPI/FetchX509SVID"),
    (b":authority", b"localhost"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
    (b"workload.spiffe.io", b"true"),
]
opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b"")
fetch_x509_svid = frame(HEADERS, END_HEADERS, 1, b"".join(literal(*field) for field in fields)) + frame(
    DATA, END_STREAM, 1, bytes(5)
)
