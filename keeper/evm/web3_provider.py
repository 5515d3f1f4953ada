"""web3's API over the pool: failover, health and accounts are ours, contracts, types and the rest are web3's."""

from collections.abc import Mapping
from typing import Any

from web3 import AsyncWeb3
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from keeper.domain.errors import KeeperError
from keeper.evm.rpc import RpcPool
from keeper.evm.wire import Call, Response, to_hex


class PoolProvider(AsyncJSONBaseProvider):
    """Hands web3's requests to a pool. What no endpoint answers raises the keeper's errors, not web3's."""

    def __init__(self, pool: RpcPool) -> None:
        super().__init__()
        self._pool = pool

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:  # noqa: ANN401 - as web3 has it
        """One request; a transaction is handed over as a push is."""
        call = _call(method, params)
        if method == "eth_sendRawTransaction":
            answer = await self._pool.send(call)
            return _answer(answer.responses[0])
        (response,) = await self._pool.ask(call)
        return _answer(response)

    async def make_batch_request(self, requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse] | RPCResponse:
        """Several that change nothing, in one."""
        responses = await self._pool.ask(*(_call(method, params) for method, params in requests))
        return [_answer(response) for response in responses]

    async def is_connected(self, show_traceback: bool = False) -> bool:  # noqa: FBT001, FBT002 - as web3 has it
        """Whether some endpoint answers."""
        try:
            await self._pool.call("eth_chainId")
        except KeeperError:
            if show_traceback:
                raise
            return False
        return True


def web3_over(pool: RpcPool) -> AsyncWeb3[PoolProvider]:
    """web3 whose requests go through the pool."""
    return AsyncWeb3(PoolProvider(pool))


def _call(method: RPCEndpoint, params: Any) -> Call:  # noqa: ANN401 - as web3 has it
    return Call(str(method), tuple(map(_plain, params)))


def _plain(value: object) -> object:
    """As JSON-RPC writes it."""
    match value:
        case bytes():
            return to_hex(value)
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value


def _answer(response: Response) -> RPCResponse:
    error = response.error
    if error is None:
        return {"jsonrpc": "2.0", "id": 0, "result": response.result}
    return {"jsonrpc": "2.0", "id": 0, "error": {"code": error.code, "message": error.message, "data": error.data}}
