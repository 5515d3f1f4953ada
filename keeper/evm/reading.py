"""Reads of the chain: one Multicall3 request where that contract is, a JSON-RPC batch elsewhere.

Of feeds beyond some hundreds several requests are made, all of one batch.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TypeAlias

from keeper.domain.errors import Refusal, Transient
from keeper.domain.fees import FeeMarket, UpdateFee
from keeper.domain.price import Price
from keeper.domain.signers import ContractSigners
from keeper.domain.units import FeedId, Gas, Wei
from keeper.evm import multicall, pyth, shapes
from keeper.evm.errors import classify, result_of, revert_data
from keeper.evm.fees import fee_calls, fee_market, history_market
from keeper.evm.guardians import Guardians, Known
from keeper.evm.multicall import Part, Told
from keeper.evm.rpc import RpcPool
from keeper.evm.wire import Call, ErrorAnswer, Response, octets, quantity, to_hex
from keeper.ports import ChainState, Glance

MOST_PARTS = 512
"""Reads in one Multicall3 request."""
_FEWEST_PARTS = 32
_BESIDE_PRICES = 6
"""Reads that come before those of prices."""
_ADDRESS_BYTES = 20
_HEADER = Call("eth_getBlockByNumber", ("latest", False))
_SAME_CHAIN = 8
"""Blocks: answers of one batch are no further apart. Where contracts see quite other numbers, another chain's count."""

_Looked: TypeAlias = tuple[Glance, list[Response]]


class Reader:
    """Reads one contract's prices, and one account's balance, nonce and fees."""

    def __init__(
        self, pool: RpcPool, *, contract: str, account: str, tip_percentile: int | None, multicall_address: str | None
    ) -> None:
        """Without a `multicall_address` all reads are JSON-RPC batches."""
        self._pool = pool
        self._contract = contract
        self._account = account
        self._guardians = Guardians(contract)
        self._fee_calls = fee_calls(tip_percentile)
        self._multicall = multicall_address
        self._is_there: bool | None = None
        """Whether Multicall3 is at its address; None before it was asked."""
        self._sees_blocks = False
        """Whether contracts see the numbers of this chain's blocks."""
        self._most_parts = MOST_PARTS
        self._bundled: tuple[tuple[tuple[FeedId, ...], int, Known | None], list[int], list[Call]] | None = None
        self._history_suffices = False
        """Whether the history of fees tells all that there is to know of them."""

    async def read(self, feeds: Sequence[FeedId]) -> ChainState:
        """Everything, in one batch."""
        self._is_there = None  # it may have come, or gone
        self._most_parts = min(2 * self._most_parts, MOST_PARTS)
        nonce_call = Call("eth_getTransactionCount", (self._account, "latest"))
        code_call = Call("eth_getStorageAt", (self._contract, pyth.IMPLEMENTATION_SLOT, "latest"))
        glance, (head, nonce, code, *fees) = await self._look(feeds, [_HEADER, nonce_call, code_call, *self._fee_calls])
        header = shapes.read(result_of(head), shapes.Header)
        self._history_suffices = history_market(fees[-1]) is not None
        return ChainState(
            block=glance.block,
            prices=glance.prices,
            balance=glance.balance,
            update_fee=glance.update_fee,
            valid_period_s=glance.valid_period_s,
            version=glance.version,
            signers=glance.signers,
            implementation=_implementation(code),
            block_gas_limit=Gas(quantity(header.gas_limit)),
            market=fee_market(header.base_fee_per_gas, fees),
            nonce=quantity(result_of(nonce)),
        )

    async def glance(self, feeds: Sequence[FeedId]) -> Glance:
        """Prices, balance and update fee: one request where Multicall3 is."""
        glance, _ = await self._look(feeds, [] if self._is_there and self._sees_blocks else [_HEADER])
        return glance

    async def market(self) -> FeeMarket:
        """Fees alone: one request where the history tells enough."""
        if self._history_suffices:
            (answer,) = await self._pool.ask(self._fee_calls[-1])
            market = history_market(answer)
            if market is not None:
                return market
            self._history_suffices = False
        head, *fees = await self._pool.ask(_HEADER, *self._fee_calls)
        return fee_market(shapes.read(result_of(head), shapes.Header).base_fee_per_gas, fees)

    async def signers(self, named: Collection[int]) -> ContractSigners:
        """Who signs, asked for by itself; from then on a glance tells whether that is still so."""
        return await self._guardians.ask(self._pool, named)

    async def _look(self, feeds: Sequence[FeedId], beside: Sequence[Call]) -> _Looked:
        """A glance, and the answers to other calls in the same batch; the first of them, if any, asks for the head."""
        if self._multicall is None or self._is_there is False:
            return await self._batch(feeds, beside)
        known = self._guardians.known
        sizes, calls = self._bundles(self._multicall, tuple(feeds))
        responses = await self._pool.ask(*calls, *beside)
        aggregated, others = responses[: len(calls)], responses[len(calls) :]
        if any(response.error is not None for response in aggregated):
            self._most_parts = max(self._most_parts // 2, _FEWEST_PARTS)  # some nodes allow a call little gas
            return await self._batch(feeds, beside)
        returned = [octets(result_of(response)) for response in aggregated]
        if not all(returned):
            self._is_there = False
            return await self._batch(feeds, beside)
        told: list[Told] = []
        for answer, size in zip(returned, sizes, strict=True):
            told += multicall.read_results(answer, size)
        self._is_there = True
        glance = self._glance(feeds, told[: _BESIDE_PRICES + len(feeds)], others[:1])
        signers = self._guardians.read(told[_BESIDE_PRICES + len(feeds) :], known)
        return replace(glance, signers=signers), others

    def _bundles(self, address: str, feeds: tuple[FeedId, ...]) -> tuple[list[int], list[Call]]:
        """How many reads each request holds, and the requests: the same as last time while nothing has changed."""
        key = (feeds, self._most_parts, self._guardians.known)
        if self._bundled is None or self._bundled[0] != key:
            parts = self._parts(address, feeds)
            bundles = [parts[at : at + self._most_parts] for at in range(0, len(parts), self._most_parts)]
            calls = [self._view(multicall.aggregate3(bundle), address) for bundle in bundles]
            self._bundled = key, [len(bundle) for bundle in bundles], calls
        return self._bundled[1], self._bundled[2]

    def _parts(self, address: str, feeds: Sequence[FeedId]) -> list[Part]:
        return [
            Part(address, multicall.get_block_number()),
            Part(address, multicall.get_eth_balance(self._account)),
            *(Part(self._contract, calldata) for calldata in (*pyth.FEE_CONSTANTS, pyth.VALID_PERIOD, pyth.VERSION)),
            *(Part(self._contract, pyth.get_price_unsafe(feed_id)) for feed_id in feeds),
            *self._guardians.parts(),
        ]

    def _glance(self, feeds: Sequence[FeedId], told: Sequence[Told], head: Sequence[Response]) -> Glance:
        block, balance, per_message, per_transaction, valid_period, version, *prices = told
        number = multicall.read_number(block)
        for response in head:
            of_chain = quantity(shapes.read(result_of(response), shapes.Header).number)
            self._sees_blocks = abs(of_chain - number) <= _SAME_CHAIN
            number = of_chain
        return Glance(
            block=number,
            balance=Wei(multicall.read_number(balance)),
            update_fee=_update_fee(per_message, per_transaction),
            valid_period_s=multicall.number_or_none(valid_period),
            version=multicall.text_or_empty(version),
            prices={feed_id: _told_price(price) for feed_id, price in zip(feeds, prices, strict=True)},
        )

    async def _batch(self, feeds: Sequence[FeedId], beside: Sequence[Call]) -> _Looked:
        """The same without Multicall3: a call for every read."""
        calls = [
            *(beside or [_HEADER]),
            Call("eth_getBalance", (self._account, "latest")),
            *(self._view(pyth.get_price_unsafe(feed_id), self._contract) for feed_id in feeds),
        ]
        responses = await self._pool.ask(*calls)
        others, (balance, *prices) = responses[: len(beside) or 1], responses[len(beside) or 1 :]
        header = shapes.read(result_of(others[0]), shapes.Header)
        glance = Glance(
            block=quantity(header.number),
            balance=Wei(quantity(result_of(balance))),
            update_fee=None,
            prices={feed_id: _price(price) for feed_id, price in zip(feeds, prices, strict=True)},
        )
        return glance, others

    def _view(self, calldata: bytes, contract: str) -> Call:
        return Call("eth_call", ({"from": self._account, "to": contract, "data": to_hex(calldata)}, "latest"))


def _implementation(response: Response) -> str:
    """The address that an ERC-1967 slot holds; empty for a contract that is no proxy, and where the node refuses."""
    held = b"" if response.error is not None else octets(result_of(response))[-_ADDRESS_BYTES:]
    return to_hex(held) if any(held) else ""


def _update_fee(per_message: Told, per_transaction: Told) -> UpdateFee | None:
    """By the contract's constants; older contracts know no fee for the transaction, others may know neither."""
    fee = multicall.number_or_none(per_message)
    return None if fee is None else UpdateFee(Wei(fee), Wei(multicall.number_or_none(per_transaction) or 0))


def _told_price(told: Told) -> Price | None:
    """The stored price, or None for a feed the contract does not know."""
    if told.succeeded:
        return pyth.read_price(told.data)
    if told.data in {b"", pyth.PRICE_FEED_NOT_FOUND}:
        return None
    why = pyth.explain(told.data) or f"revert data 0x{told.data[:4].hex()}"
    raise Transient(f"the contract tells no prices ({why}): it may be paused, or another one than CONTRACT_ADDRESS is")


def _price(response: Response) -> Price | None:
    """The same by a call of its own: some nodes do not tell why it reverts, and there is no other reason."""
    if response.error is not None and _is_not_found(response.error):
        return None
    return pyth.read_price(octets(result_of(response)))


def _is_not_found(error: ErrorAnswer) -> bool:
    return classify(error) is Refusal.WOULD_REVERT and revert_data(error) in {b"", pyth.PRICE_FEED_NOT_FOUND}
