"""A JSON-RPC node that answers as it is told and fails as it is told."""

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from msgspec.structs import asdict

from keeper.domain.errors import Throttled, Transient, Uncertain
from keeper.evm.transport import ConnectionRefused, Cut
from keeper.evm.wire import Call, ErrorAnswer, Response, encode, in_order
from keeper.evm.wire import decode as decode_body

RETRY_AFTER_S = 7


class Fault(Enum):
    """What is wrong with the node."""

    NONE = auto()
    REFUSES = auto()
    """Nobody listens. (A served node is stopped instead.)"""
    HANGS = auto()
    """It takes the request and never answers."""
    CUTS = auto()
    """It takes the request and ends the connection."""
    BREAKS = auto()
    """HTTP 500."""
    THROTTLES = auto()
    """HTTP 429."""
    LOCKS_OUT = auto()
    """HTTP 401."""
    BABBLES = auto()
    """It answers, and not in JSON-RPC."""
    REFUSES_BATCHES = auto()


@dataclass
class ScriptedNode:
    """What it answers, and what it was asked."""

    chain_id: int = 31337
    block: int = 0
    fault: Fault = Fault.NONE
    fault_messages: float = math.inf
    """The fault is gone after so many messages."""
    http_status: int = 200
    """Of its answers."""
    batch_refusal: ErrorAnswer = field(default_factory=lambda: ErrorAnswer(-32600, "Invalid request"))
    answers: dict[str, Any] = field(default_factory=dict)
    """Method -> result, ErrorAnswer, or a function of the parameters; else the first parameter is the result."""
    requests: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    """Every call it received."""
    bodies: int = 0
    """So many messages brought them: HTTP requests, WebSocket frames, or exchanges in memory."""

    @property
    def failing(self) -> Fault:
        """What is wrong with the message that comes next."""
        return self.fault if self.bodies < self.fault_messages else Fault.NONE

    def methods(self) -> Counter[str]:
        """How often each method was asked for."""
        return Counter(method for method, _ in self.requests)

    def answer(self, body: bytes) -> bytes:
        """The answer to a request or a batch; a batch is answered in reverse, which the protocol allows."""
        fault = self.failing
        self.bodies += 1
        asked = json.loads(body)
        if fault is Fault.BABBLES:
            return b"<html>welcome</html>"
        if isinstance(asked, dict):
            return json.dumps(self._answer(asked)).encode()
        if fault is Fault.REFUSES_BATCHES:
            return json.dumps({"jsonrpc": "2.0", "id": None, "error": _told(self.batch_refusal)}).encode()
        return json.dumps([self._answer(each) for each in reversed(asked)]).encode()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        method, params = request["method"], tuple(request["params"])
        self.requests.append((method, params))
        known = {"eth_chainId": hex(self.chain_id), "eth_blockNumber": hex(self.block)}
        default = known.get(method, params[0] if params else None)
        answer = self.answers.get(method, default)
        if callable(answer):
            answer = answer(*params)
        told = {"error": _told(answer)} if isinstance(answer, ErrorAnswer) else {"result": answer}
        return {"jsonrpc": "2.0", "id": request["id"]} | told


class FakeTransport:
    """The node without a network; keeps the contract of the real transports."""

    def __init__(self, name: str, node: ScriptedNode) -> None:
        self.name = name
        self._node = node
        self.connection = 1

    def when_lost(self, tell: Callable[[], None]) -> None:
        """It never is."""

    async def exchange(self, calls: Sequence[Call], *, timeout_s: float) -> list[Response]:
        match self._node.failing:
            case Fault.REFUSES:
                raise ConnectionRefused("cannot connect: connection refused")
            case Fault.HANGS:
                self._node.answer(encode(calls, range(len(calls))))
                await asyncio.sleep(timeout_s)
                raise Uncertain(f"no answer within {timeout_s:g} s")
            case Fault.CUTS:
                self._node.answer(encode(calls, range(len(calls))))
                raise Cut
            case Fault.BREAKS:
                raise Uncertain("HTTP 500")
            case Fault.THROTTLES:
                raise Throttled("it asks to slow down (HTTP 429)", retry_after_s=RETRY_AFTER_S)
            case Fault.LOCKS_OUT:
                raise Transient("it refuses access (HTTP 401)")
            case Fault.REFUSES_BATCHES:
                return [self._exchange([call])[0] for call in calls]
            case _:
                return self._exchange(calls)

    def _exchange(self, calls: Sequence[Call]) -> list[Response]:
        ids = range(len(calls))
        return in_order(decode_body(self._node.answer(encode(calls, ids))), ids)

    async def close(self) -> None:
        pass


def _told(error: ErrorAnswer) -> dict[str, Any]:
    """Data that there is none of are left out, as nodes do."""
    return {name: value for name, value in asdict(error).items() if value is not None}
