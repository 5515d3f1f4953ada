"""An RPC endpoint in front of a real node that quotes whatever it was given, keys and all, when it refuses."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import aiohttp
from aiohttp import web

_HOST = "127.0.0.1"
QUOTED = "has insufficient funds for gas"
"""Part of what it says."""


class Mood(Enum):
    """How it answers."""

    HELPFUL = auto()
    QUOTING = auto()
    """By a JSON-RPC error that quotes URL and login."""
    LOCKED = auto()
    """By HTTP 401 with the same words."""


@dataclass
class TalkativeNode:
    """In front of the node at `upstream`."""

    upstream: str
    mood: Mood = Mood.HELPFUL
    port: int = 0
    heard: list[str] = field(default_factory=list)
    """Path, query and login of each request."""

    async def answer(self, request: web.Request) -> web.Response:
        """Pass the request on, or quote it."""
        given = f"{request.raw_path} {request.headers.get('Authorization', '')}"
        self.heard.append(given)
        body = await request.read()
        words = f"{given} {QUOTED}"
        match self.mood:
            case Mood.HELPFUL:
                async with aiohttp.request("POST", self.upstream, data=body, headers=_JSON) as response:
                    return web.Response(body=await response.read(), headers=_JSON)
            case Mood.LOCKED:
                return web.Response(status=401, text=words)
            case Mood.QUOTING:
                return web.json_response(_refused(json.loads(body), words))


_JSON = {"Content-Type": "application/json"}


def _refused(asked: Any, words: str) -> Any:
    if isinstance(asked, list):
        return [_refused(each, words) for each in asked]
    return {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32000, "message": words}}


@asynccontextmanager
async def talkative_node(upstream: str) -> AsyncIterator[TalkativeNode]:
    """One that runs."""
    node = TalkativeNode(upstream)
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/{path:.*}", node.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, _HOST, 0).start()
    node.port = int(runner.addresses[0][1])
    try:
        yield node
    finally:
        await runner.cleanup()
