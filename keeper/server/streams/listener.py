"""One client: what waits for it goes out as fast as it reads, and no faster."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter

import msgspec

from keeper.server.streams.frame_parts import Priority
from keeper.server.streams.hub import Backlog
from keeper.server.streams.messages import Message, chunk, sse_event, websocket_text
from keeper.server.streams.stream_frames import DroppedFrame, HelloFrame

STALL_S = 10.0
"""Whoever takes nothing for so long is cut off."""
HEARTBEAT_S = 15.0
_UNREAD_BYTES = 64 * 1024
"""So much may wait in the process for the socket of a client; what is more waits as frames, which may be dropped."""
_AT_ONCE = 64
_HEARTBEAT = chunk(b":\n\n")


class Kind(StrEnum):
    """How a client listens."""

    SSE = "sse"
    WEBSOCKET = "websocket"


@dataclass(slots=True)
class Tally:
    """What was counted of all clients."""

    sent: Counter[Kind] = field(default_factory=Counter)
    dropped: Counter[Priority] = field(default_factory=Counter)
    cut_off: int = 0


class Listener:
    """Writes to the transport itself: frames are encoded already, and nobody waits for anybody."""

    def __init__(self, kind: Kind, transport: asyncio.Transport, backlog: Backlog, tally: Tally) -> None:
        self.kind = kind
        self.backlog = backlog
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the client has left, or has to."""
        self._transport = transport
        self._tally = tally
        self._encoded: Callable[[Message], bytes] = attrgetter(kind.value)
        self._stalled_since: float | None = None
        self._unread = 0
        """Bytes that waited for the socket at the last look at a client that had stalled."""
        self._wrote_at = 0.0

    def offer(self, message: Message) -> None:
        """Keep it for the client."""
        if (priority := self.backlog.offer(message)) is not None:
            self._tally.dropped[priority] += 1

    def say(self, frame: HelloFrame | DroppedFrame) -> None:
        """A frame of the stream itself, to this client alone."""
        payload, type_ = msgspec.json.encode(frame), str(frame.__struct_config__.tag)
        id_ = frame.id if isinstance(frame, HelloFrame) else None
        is_sse = self.kind is Kind.SSE
        self._transport.write(sse_event(type_, payload, id_) if is_sse else websocket_text(payload))

    def flush(self, now: float) -> None:
        """Hand over what the client takes, at `now` (monotonic seconds)."""
        if self.gone.done():
            return
        if self._transport.is_closing():
            self.leave()
            return
        while self._transport.get_write_buffer_size() < _UNREAD_BYTES:
            self._stalled_since = None
            if not self._write_some(now):
                break
        else:
            self._mind_the_stall(now)

    def _write_some(self, now: float) -> bool:
        """Some frames; whether there were any."""
        if dropped := self.backlog.dropped():
            low, medium, high = (dropped[priority] for priority in Priority)
            self.say(DroppedFrame(low=low, medium=medium, high=high))
        messages = self.backlog.take(_AT_ONCE, _UNREAD_BYTES)
        if messages:
            self._transport.write(b"".join(map(self._encoded, messages)))
            self._tally.sent[self.kind] += len(messages)
            self._wrote_at = now
        elif self.kind is Kind.SSE and now - self._wrote_at >= HEARTBEAT_S:
            self._transport.write(_HEARTBEAT)
            self._wrote_at = now
        return bool(messages)

    def _mind_the_stall(self, now: float) -> None:
        before, self._unread = self._unread, self._transport.get_write_buffer_size()
        if self._stalled_since is None or self._unread < before:
            self._stalled_since = now
        elif now - self._stalled_since >= STALL_S:
            self._tally.cut_off += 1
            self.cut_off()

    def cut_off(self) -> None:
        """End the connection at once, whatever is unread."""
        self._transport.abort()
        self.leave()

    def leave(self) -> None:
        """Nothing more is for it."""
        if not self.gone.done():
            self.gone.set_result(None)

    @property
    def is_stalled(self) -> bool:
        """Whether it reads slower than it is told."""
        return self._stalled_since is not None
