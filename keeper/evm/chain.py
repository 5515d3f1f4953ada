"""The chain as the flow sees it: reads in one batch, the terms of a push, broadcast and receipts."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from keeper.domain.errors import KeeperError, Refusal, SendRefused, Uncertain
from keeper.domain.fees import FeeMarket, UpdateFee
from keeper.domain.signers import ContractSigners
from keeper.domain.status import EndpointStatus
from keeper.domain.transaction import FeedWrite, Receipt, SignedTransaction
from keeper.domain.units import FeedId, Gas, Wei
from keeper.evm import pyth, shapes
from keeper.evm.errors import Kind, classify, describe, result_of, revert_data
from keeper.evm.follower import Follower
from keeper.evm.reading import Reader
from keeper.evm.rpc import Answer, RpcPool
from keeper.evm.stored import feed_write
from keeper.evm.wire import Call, octets, quantity, to_hex
from keeper.ports import NO_CONDITIONS, ChainListener, ChainState, Glance, Look, Terms

_MOST_TELLING = (
    Refusal.REPLACEMENT_UNDERPRICED,
    Refusal.NONCE_TOO_LOW,
    Refusal.INSUFFICIENT_FUNDS,
    Refusal.UNDERPRICED,
    Refusal.WOULD_REVERT,
    Refusal.GAS_LIMIT,
    Refusal.TOO_LARGE,
    Refusal.NONCE_TOO_HIGH,
    Refusal.WRONG_CHAIN,
    Refusal.FEE_ABOVE_NODE_CAP,
    Refusal.POOL_FULL,
)
"""Refusals by how much they tell: first those of nodes that know more than others, last a node's own limits."""


class EvmChain:
    """One EVM chain with its Pyth contract, as one account sees it."""

    def __init__(
        self,
        pool: RpcPool,
        *,
        contract: str,
        account: str,
        tip_percentile: int | None = None,
        everywhere: bool = False,
        admit: Callable[[int], None] = lambda _: None,
        multicall: str | None = None,
    ) -> None:
        """`tip_percentile`: which of the latest blocks' tips to go by; None goes by the node's suggestion.

        `everywhere`: every broadcast goes to all endpoints at once.
        `admit`: told the chain id, raises Fatal where that chain is not to be used.
        `multicall`: where Multicall3 may be.
        """
        self._pool = pool
        self._contract = contract
        self._account = account
        self._everywhere = everywhere
        self._admit = admit
        self._reader = Reader(
            pool, contract=contract, account=account, tip_percentile=tip_percentile, multicall_address=multicall
        )

    async def connect(self) -> int:
        """Open the connections and return the chain id; raises Fatal where the endpoints serve other chains."""
        chain_id = await self._pool.connect()
        self._admit(chain_id)
        return chain_id

    async def read(self, feeds: Sequence[FeedId]) -> ChainState:
        """Prices of the feeds, fees, balance and nonce in one batch, or several where there are hundreds of feeds."""
        return await self._reader.read(feeds)

    async def glance(self, feeds: Sequence[FeedId]) -> Glance:
        """Prices of the feeds, balance and update fee: one request where Multicall3 is."""
        return await self._reader.glance(feeds)

    async def market(self) -> FeeMarket:
        """Fees alone."""
        return await self._reader.market()

    async def terms(self, sample: bytes) -> Terms:
        """The contract's fee, from its answers for one and for two messages, and the gas of pushing the sample."""
        one, two = [
            pyth.read_fee(octets(result_of(response)))
            for response in await self._pool.ask(
                self._view(pyth.get_update_fee([sample])), self._view(pyth.get_update_fee([sample, sample]))
            )
        ]
        update_fee = UpdateFee(per_message=Wei(two - one), per_transaction=Wei(2 * one - two))
        (estimate,) = await self._pool.ask(
            Call("eth_estimateGas", ({**self._to_contract(self.calldata([sample])), "value": hex(one)},))
        )
        if estimate.error is not None and classify(estimate.error) is not Kind.UNKNOWN:
            untrusted = pyth.distrusts(revert_data(estimate.error))
            return Terms(update_fee, gas=None, refusal=describe(estimate.error), untrusted=untrusted)
        return Terms(update_fee, gas=Gas(quantity(result_of(estimate))))

    async def signers(self, named: Collection[int]) -> ContractSigners:
        """Who signs prices by the contract's own word: the current set, and those of these numbers."""
        return await self._reader.signers(named)

    async def push_fee(self, blobs: Sequence[bytes]) -> Wei:
        """What the contract charges for a push of these update data; raises Transient where it does not tell."""
        (response,) = await self._pool.ask(self._view(pyth.get_update_fee(blobs)))
        return Wei(pyth.read_fee(octets(result_of(response))))

    def calldata(self, blobs: Sequence[bytes], conditions: Mapping[FeedId, int] = NO_CONDITIONS) -> bytes:
        """Calldata of the push of these update data; with conditions, of one that reverts where none of them holds."""
        if not conditions:
            return pyth.update_price_feeds(blobs)
        return pyth.update_price_feeds_if_necessary(blobs, conditions)

    async def error_of(self, calldata: bytes, value: Wei, block: int) -> str:
        """The contract's error for this push after that block, by name; empty where it takes it, or does not tell."""
        call = {**self._to_contract(calldata), "value": hex(value)}
        (response,) = await self._pool.ask(Call("eth_call", (call, hex(block))))
        return "" if response.error is None else pyth.error_name(revert_data(response.error))

    async def broadcast(self, signed: SignedTransaction, *, everywhere: bool = False) -> str:
        """Send the bytes to the first endpoint that gives an answer, or to all at once; the name of who took them."""
        call = Call("eth_sendRawTransaction", (to_hex(signed.raw),))
        if not everywhere and not self._everywhere:
            return _taken_by(await self._pool.send(call), signed)
        problems: list[KeeperError] = []
        async for answer in self._pool.send_everywhere(call):
            try:
                if isinstance(answer, Answer):
                    return _taken_by(answer, signed)
                problems.append(answer)
            except KeeperError as exc:
                problems.append(exc)
        raise min(problems, key=_weight)

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """The receipt, or None while the transaction is not mined."""
        return self._receipt(tx_hash, await self._pool.call("eth_getTransactionReceipt", to_hex(tx_hash)))

    async def look(self, tx_hashes: Sequence[bytes], *, with_block: bool) -> Look:
        """The receipts of these transactions, and the newest block where it is asked for, in one batch."""
        calls = [Call("eth_getTransactionReceipt", (to_hex(tx_hash),)) for tx_hash in tx_hashes]
        if with_block:
            calls.append(Call("eth_getBlockByNumber", ("latest", False)))
        results = [result_of(response) for response in await self._pool.ask(*calls)]
        head = shapes.head_of(shapes.read(results.pop(), shapes.Header)) if with_block else None
        found = map(self._receipt, tx_hashes, results)
        receipts = {receipt.tx_hash: receipt for receipt in found if receipt is not None}
        return Look(receipts) if head is None else Look(receipts, head.number, head.base_fee)

    async def search(self, tx_hashes: Sequence[bytes]) -> Mapping[bytes, Receipt]:
        """The same by the word of up to two endpoints: one that is behind others does not know the newest."""
        found: dict[bytes, Receipt] = {}
        for tx_hash in tx_hashes:
            for told in await self._pool.opinions(Call("eth_getTransactionReceipt", (to_hex(tx_hash),))):
                receipt = self._receipt(tx_hash, told)
                if receipt is not None:
                    found[tx_hash] = receipt
        return found

    def _receipt(self, tx_hash: bytes, answered: object) -> Receipt | None:
        if answered is None:
            return None
        receipt = shapes.read(answered, shapes.Receipt)
        return Receipt(
            tx_hash=tx_hash,
            block_number=quantity(receipt.block_number),
            block_hash=octets(receipt.block_hash),
            succeeded=quantity(receipt.status) == 1,
            gas_used=Gas(quantity(receipt.gas_used)),
            effective_gas_price=Wei(quantity(receipt.effective_gas_price)),
            l1_fee=Wei(quantity(receipt.l1_fee or "0x0")),
            writes=tuple(self._writes(receipt.logs)),
        )

    async def mined_nonce(self) -> int:
        """Transactions of the account mined so far."""
        (response,) = await self._pool.ask(self._nonce_call())
        return quantity(result_of(response))

    async def pending_nonce(self) -> int:
        """Transactions of the account mined so far, and those that wait in a node's pool to follow."""
        return quantity(await self._pool.call("eth_getTransactionCount", self._account, "pending"))

    async def mined_nonces(self) -> Sequence[int]:
        """Transactions of the account mined so far, by the word of up to two endpoints."""
        return [quantity(told) for told in await self._pool.opinions(self._nonce_call())]

    async def chain_id(self) -> int:
        """The chain's own word."""
        return quantity(await self._pool.call("eth_chainId"))

    async def code_at(self, address: str) -> bytes:
        """The contract's code there; empty where there is none."""
        return octets(await self._pool.call("eth_getCode", address, "latest"))

    async def follow(self, listener: ChainListener) -> None:
        """Tell of new heads and stored prices by subscription, for ever; returns where no endpoint offers that."""
        await Follower(self._pool.roster, contract=self._contract, listener=listener).run()

    async def recovered(self) -> None:
        """Return as soon as some endpoint is well, or no longer asks to be left alone; at once where one is."""
        await self._pool.recovered()

    def endpoints(self) -> Sequence[EndpointStatus]:
        """One row an endpoint."""
        return self._pool.endpoints()

    def calls(self) -> Mapping[str, int]:
        """JSON-RPC requests made so far, by method."""
        return self._pool.calls()

    def calls_last_hour(self) -> Mapping[str, int]:
        """Those of the last hour, to the minute."""
        return self._pool.calls_last_hour()

    def _to_contract(self, calldata: bytes) -> dict[str, str]:
        return {"from": self._account, "to": self._contract, "data": to_hex(calldata)}

    def _view(self, calldata: bytes) -> Call:
        return Call("eth_call", (self._to_contract(calldata), "latest"))

    def _nonce_call(self) -> Call:
        return Call("eth_getTransactionCount", (self._account, "latest"))

    def _writes(self, logs: Sequence[shapes.Log]) -> Iterator[FeedWrite]:
        """The prices our contract stored; other contracts may have events of the same name."""
        for log in logs:
            write = feed_write(log, self._contract)
            if write is not None:
                yield write


def _taken_by(answer: Answer, signed: SignedTransaction) -> str:
    """The endpoint that has the transaction; raises SendRefused, or Uncertain where its answer decides nothing."""
    (response,) = answer.responses
    if response.error is None:
        if response.result != to_hex(signed.hash):
            raise Uncertain(f"{answer.endpoint} took the transaction, but names another hash than ours")
        return answer.endpoint
    meaning = classify(response.error)
    if meaning is Kind.ALREADY_KNOWN:
        return answer.endpoint
    said = f"{answer.endpoint} answers: {describe(response.error)}"
    if isinstance(meaning, Refusal) and not answer.in_doubt:
        raise SendRefused(meaning, said)
    raise Uncertain(said)


def _weight(problem: KeeperError) -> int:
    """Which of several endpoints to believe: a doubt before all, then who knows most of the account."""
    match problem:
        case Uncertain():
            return -1
        case SendRefused():
            return _MOST_TELLING.index(problem.refusal)
        case _:
            return len(_MOST_TELLING)
