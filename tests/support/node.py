"""A plain JSON-RPC client that lets the node's own unlocked account do the signing."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias

import aiohttp

Json: TypeAlias = Any
"""Whatever JSON may hold."""

BATCH = 64
RECEIPT_ATTEMPTS = 1000


class RpcError(Exception):
    """The node answered with an error; `data` is a revert's return data."""

    def __init__(self, error: dict[str, Json]) -> None:
        super().__init__(str(error))
        data = error.get("data")
        self.data = bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else b""


@dataclass(frozen=True, slots=True)
class Mined:
    """What a receipt says."""

    succeeded: bool
    gas_used: int
    contract: str
    logs: list[dict[str, Json]]


class Node:
    """A node at a URL, inside an `async with`."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        (self.account, *_) = await self.request("eth_accounts")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def request(self, method: str, *params: Json) -> Json:
        """The result; raises RpcError."""
        (answer,) = await self.batch(method, [params])
        if isinstance(answer, RpcError):
            raise answer
        return answer

    async def batch(self, method: str, params: Sequence[Sequence[Json]]) -> list[Json]:
        """The result of each call, or its RpcError, in few requests."""
        answers = []
        for start in range(0, len(params), BATCH):
            answers += await self._post(method, params[start : start + BATCH])
        return answers

    async def _post(self, method: str, params: Sequence[Sequence[Json]]) -> list[Json]:
        calls = [{"jsonrpc": "2.0", "id": at, "method": method, "params": each} for at, each in enumerate(params)]
        async with self._http.post(self._url, json=calls) as response:
            answers = sorted(await response.json(), key=lambda answer: int(answer["id"]))
        return [RpcError(answer["error"]) if "error" in answer else answer["result"] for answer in answers]

    async def send(self, data: bytes, *, to: str | None = None, value: int = 0) -> Mined:
        """Have a transaction mined, whatever becomes of it."""
        transaction = {"from": self.account, "data": "0x" + data.hex(), "value": hex(value), "gas": hex(16_000_000)}
        if to is not None:
            transaction["to"] = to
        tx_hash = await self.request("eth_sendTransaction", transaction)
        for _ in range(RECEIPT_ATTEMPTS):
            receipt = await self.request("eth_getTransactionReceipt", tx_hash)
            if receipt is not None:
                return Mined(
                    succeeded=receipt["status"] == "0x1",
                    gas_used=int(receipt["gasUsed"], 16),
                    contract=receipt["contractAddress"] or "",
                    logs=receipt["logs"],
                )
        raise AssertionError(f"{tx_hash} is not mined")
