"""Frames without a keeper, and clients of the streams."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from jsonschema import Draft202012Validator

from keeper.app.clock import SystemClock
from keeper.server.streams.asyncapi import asyncapi
from keeper.server.streams.broadcast import Broadcast, Limits
from keeper.server.streams.frame_parts import Priority
from keeper.server.streams.messages import Message
from keeper.server.streams.topics import PRIORITIES
from keeper.server.streams.wire import Wire
from tests.support.status import BTC

TYPE_OF = {Priority.HIGH: "plan", Priority.MEDIUM: "rpc", Priority.LOW: "price"}
BOOT = "0badcafe"


def message(sequence: int, type_: str = "plan", network: str | None = "devnet", feeds: Sequence[str] = ()) -> Message:
    text = str(sequence).encode()
    return Message(sequence, type_, PRIORITIES[type_], network, frozenset(feeds), sse=text, websocket=text)


def broadcast(limits: Limits | None = None) -> Broadcast:
    return Broadcast(
        boot=BOOT,
        wire=Wire({BTC.feed_id: BTC.alias}),
        limits=limits or Limits(),
        clock=SystemClock(),
        clean=lambda text: text.replace("the-secret", "[redacted]"),
    )


class Described:
    """What the AsyncAPI document says of frames."""

    def __init__(self) -> None:
        self.document = asyncapi()
        self._messages = self.document["components"]["messages"]

    @property
    def types(self) -> set[str]:
        return set(self._messages)

    def check(self, frame: dict[str, Any]) -> None:
        """Raises ValidationError for a frame that is not as described; one with a key more is not, either."""
        schemas = self.document["components"]["schemas"]
        for schema in schemas.values():
            if "properties" in schema:
                schema["additionalProperties"] = False
        payload = self._messages[frame["type"]]["payload"]
        Draft202012Validator(payload | {"components": {"schemas": schemas}}).validate(frame)


@asynccontextmanager
async def telling(it: Broadcast) -> AsyncIterator[None]:
    """While it tells what happens."""
    task = asyncio.create_task(it.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass(frozen=True)
class Received:
    """One server-sent event."""

    id: str | None
    event: str
    body: Any


async def sse(response: aiohttp.ClientResponse) -> AsyncIterator[Received]:
    """What a client of server-sent events reads."""
    fields: dict[str, str] = {}
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield Received(fields.get("id"), fields["event"], json.loads(fields["data"]))
            fields = {}
        else:
            fields = {}
