"""Requests of the Kafka protocol, as far as the proxy looks at them.

Each starts with its length (4 bytes), its API key and version (2 bytes each), a number that the response
repeats (4 bytes), and the client's id (2 bytes of length before it).
"""

import socket
import struct

PRODUCE, END_TXN = 0, 26
FLEXIBLE_PRODUCE = 9  # from this version on, lengths are varints


def api_key(frame: bytes) -> int:
    """Return what kind of request it is."""
    return int(struct.unpack_from(">h", frame, 4)[0])


def client_id(frame: bytes) -> bytes:
    """Return the client id of a request; empty where there is none."""
    (length,) = struct.unpack_from(">h", frame, 12)
    return frame[14 : 14 + max(0, length)]


def first_partition(frame: bytes, topic: bytes) -> int | None:
    """Return the first partition that a Produce writes of a topic; None when it writes none of it."""
    (version,) = struct.unpack_from(">h", frame, 6)
    if version < FLEXIBLE_PRODUCE:
        name, count_bytes = struct.pack(">h", len(topic)) + topic, 4
    else:
        name, count_bytes = bytes([len(topic) + 1]) + topic, 1
    at = frame.find(name)
    return None if at < 0 else int(struct.unpack_from(">i", frame, at + len(name) + count_bytes)[0])


def read_frame(end: socket.socket) -> bytes | None:
    """Return the next request or response with its length; None at the end of the connection."""
    head = _read(end, 4)
    if head is None:
        return None
    body = _read(end, struct.unpack(">i", head)[0])
    return None if body is None else head + body


def _read(end: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        data = end.recv(size - len(parts))
        if not data:
            return None
        parts += data
    return bytes(parts)
