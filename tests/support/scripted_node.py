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
from keeper.evm.inbox import Inbox
from keeper.evm.transport import ConnectionRefused, Cut
from keeper.evm.wire import Call, ErrorAnswer, Response, encode, in_order, notice
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
    audience: list[Callable[[bytes], None]] = field(default_factory=list)
    """Open sockets: where to send what it tells of its own accord."""
    bodies: int = 0
    """So many messages brought them: HTTP requests, WebSocket frames, or exchanges in memory."""

    @property
    def failing(self) -> Fault:
        """What is wrong with the message that comes next."""
        return self.fault if self.bodies < self.fault_messages else Fault.NONE

    def methods(self) -> Counter[str]:
        """How often each method was asked for."""
        return Counter(method for method, _ in self.requests)

    def notify(self, subscription: str, told: object) -> None:
        """Tell all who are connected."""
        message = {
            "jsonrpc": "2.0",
            "method": "eth_subscription",
            "params": {"subscription": subscription, "result": told},
        }
        for send in list(self.audience):
            send(json.dumps(message).encode())

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


class FakeSocketTransport(FakeTransport):
    """The same over a socket that may be lost, and by which the node may tell things."""

    def __init__(self, name: str, node: ScriptedNode) -> None:
        super().__init__(name, node)
        self.connection = 0
        self._connections = 0
        self._inbox: Inbox | None = None
        self._tell_lost: Callable[[], None] = lambda: None

    def when_lost(self, tell: Callable[[], None]) -> None:
        self._tell_lost = tell

    async def exchange(self, calls: Sequence[Call], *, timeout_s: float) -> list[Response]:
        self._connect()
        try:
            return await super().exchange(calls, timeout_s=timeout_s)
        except Cut:
            self.lose()
            raise

    async def listen(self, *, timeout_s: float) -> Inbox:  # noqa: ARG002
        self._connect()
        self._inbox = Inbox()
        return self._inbox

    def lose(self) -> None:
        """The socket is gone."""
        if self.connection:
            self.connection = 0
            self._node.audience.remove(self._receive)
            if self._inbox is not None:
                self._inbox.end()
            self._tell_lost()

    async def close(self) -> None:
        self._tell_lost = lambda: None
        self.lose()

    def _connect(self) -> None:
        if self._node.failing is Fault.REFUSES:
            raise ConnectionRefused("cannot connect: connection refused")
        if not self.connection:
            self._connections += 1
            self.connection = self._connections
            self._node.audience.append(self._receive)

    def _receive(self, message: bytes) -> None:
        for each in decode_body(message):
            told = notice(each)
            if told is not None and self._inbox is not None:
                self._inbox.put(told)


def _told(error: ErrorAnswer) -> dict[str, Any]:
    """Data that there is none of are left out, as nodes do."""
    return {name: value for name, value in asdict(error).items() if value is not None}
