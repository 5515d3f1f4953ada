"""A frame as it goes over the wire, encoded once for all who get it."""

import struct
from dataclasses import dataclass

from keeper.server.streams.frame_parts import Priority

_SHORT, _MEDIUM = 126, 1 << 16
_FINAL_TEXT = 0x81


@dataclass(frozen=True, slots=True)
class Message:
    """One frame, and what a choice among frames goes by."""

    sequence: int
    type: str
    priority: Priority
    network: str | None
    feeds: frozenset[str]
    sse: bytes
    websocket: bytes


def sse_event(type_: str, payload: bytes, id_: str | None) -> bytes:
    """A server-sent event in a chunk of HTTP's own; without an id a client resumes from the one before."""
    lines = b"" if id_ is None else f"id: {id_}\n".encode()
    return chunk(b"%sevent: %s\ndata: %s\n\n" % (lines, type_.encode(), payload))


def chunk(data: bytes) -> bytes:
    """RFC 9112, 7.1: one chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def websocket_text(payload: bytes) -> bytes:
    """RFC 6455, 5.2: a text message from a server, in one frame."""
    size = len(payload)
    if size < _SHORT:
        head = struct.pack("!BB", _FINAL_TEXT, size)
    elif size < _MEDIUM:
        head = struct.pack("!BBH", _FINAL_TEXT, 126, size)
    else:
        head = struct.pack("!BBQ", _FINAL_TEXT, 127, size)
    return head + payload
