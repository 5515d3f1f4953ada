"""A chain in memory that behaves as a node with a Pyth contract does: mempool, blocks, receipts, refusals."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import rlp
from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_hash.auto import keccak

from keeper.domain import accumulator
from keeper.domain.errors import Refusal, SendRefused, Transient, Uncertain
from keeper.domain.fees import FeeMarket, UpdateFee
from keeper.domain.gas import PushShape, model
from keeper.domain.price import Price
from keeper.domain.signers import ContractSigners, NumberedSet
from keeper.domain.status import EndpointStatus
from keeper.domain.transaction import FeedWrite, Receipt, SignedTransaction
from keeper.domain.units import FeedId, Gas, Wei
from keeper.ports import NO_CONDITIONS, ChainListener, ChainState, Glance, Look, Terms
from tests.support.updates import ADDRESSES

GWEI = 10**9
SELECTOR = keccak(b"updatePriceFeeds(bytes[])")[:4]
CONDITIONAL = keccak(b"updatePriceFeedsIfNecessary(bytes[],bytes32[],uint64[])")[:4]
_CONDITIONAL_TYPES = ["bytes[]", "bytes32[]", "uint64[]"]
_LOST_RACE_GAS = Gas(42_000)


@dataclass(frozen=True, slots=True)
class Pending:
    """A transaction in the pool."""

    tx_hash: bytes
    nonce: int
    fee_cap: int
    tip: int
    gas_limit: int
    value: int = 0
    blobs: tuple[bytes, ...] = ()
    conditions: Mapping[FeedId, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction in a block, and what undoes it."""

    pending: Pending
    block: int
    cost: int
    overwritten: Mapping[FeedId, Price | None]


@dataclass
class FakeChain:
    """One account, one contract. Mines at once unless `automine` is off; then `mine` makes the next block.

    Transactions beyond a nonce gap wait in the pool, and so do those whose fee cap is below the base fee.
    """

    automine: bool = True
    base_fee: int = GWEI
    fee_per_message: int = 1
    balance: int = 10**18
    block_gas_limit: int = 30_000_000
    refuse: list[Exception] = field(default_factory=list)
    """What the next broadcasts raise, in order; a refused one never reaches the pool."""
    lose_answers: int = 0
    """So many broadcasts reach the pool, and their answer does not come back."""
    unreadable: int = 0
    """So many reads fail."""
    told_nonces: tuple[int, ...] = ()
    """What endpoints say instead of the truth."""
    reverting: str = ""
    """Why the contract refuses every update; empty for a contract in order."""
    distrusts: Callable[[bytes], bool] = field(default=lambda _: False)
    """Whose update data the contract refuses for their signers."""
    guardians: ContractSigners | None = field(
        default_factory=lambda: ContractSigners(0, {0: NumberedSet(ADDRESSES[:1])})
    )
    """Who signs; None for a contract that does not tell."""
    implementation: str = "0x" + "a1" * 20
    """Of the code behind the contract."""
    prices: dict[FeedId, Price] = field(default_factory=dict)
    sent: list[bytes] = field(default_factory=list)
    """Every transaction handed over, taken or not."""
    block: int = 1
    nonce: int = 0
    pool: dict[int, Pending] = field(default_factory=dict)
    receipts: dict[bytes, Receipt] = field(default_factory=dict)
    mined: list[Mined] = field(default_factory=list)
    """In order."""
    forks: int = 0
    strangers: set[bytes] = field(default_factory=set)
    """Hashes of transactions with our key that are not ours."""
    back: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when endpoints that could not be reached answer again."""
    requests: Counter[str] = field(default_factory=Counter)

    async def connect(self) -> int:
        self.requests["connect"] += 1
        return 31337

    async def read(self, feeds: Sequence[FeedId]) -> ChainState:
        self.requests["read"] += 1
        if self.unreadable:
            self.unreadable -= 1
            raise Transient("no endpoint answers")
        return ChainState(
            block=self.block,
            block_gas_limit=Gas(self.block_gas_limit),
            market=FeeMarket(Wei(self.base_fee), Wei(GWEI), Wei(self.base_fee + GWEI)),
            update_fee=UpdateFee(Wei(self.fee_per_message)),
            balance=Wei(self.balance),
            nonce=self.nonce,
            implementation=self.implementation,
            prices={feed_id: self.prices.get(feed_id) for feed_id in feeds},
        )

    async def glance(self, feeds: Sequence[FeedId]) -> Glance:
        state = await self.read(feeds)
        self.requests["read"] -= 1
        self.requests["glance"] += 1
        return Glance(
            block=state.block,
            balance=state.balance,
            prices=state.prices,
            update_fee=UpdateFee(Wei(self.fee_per_message)),
        )

    async def market(self) -> FeeMarket:
        self.requests["market"] += 1
        return FeeMarket(Wei(self.base_fee), Wei(GWEI), Wei(self.base_fee + GWEI))

    async def terms(self, sample: bytes) -> Terms:
        self.requests["terms"] += 1
        held = accumulator.decode(sample)
        shape = PushShape(len(held.prices), len(held.prices), 1, held.signature_count)
        fee = UpdateFee(Wei(self.fee_per_message))
        if self.distrusts(sample):
            return Terms(fee, None, "InvalidWormholeVaa", untrusted=True)
        return Terms(fee, None, self.reverting) if self.reverting else Terms(fee, model(shape))

    async def signers(self, named: Collection[int]) -> ContractSigners:
        self.requests["signers"] += 1
        if self.guardians is None:
            raise Transient("the contract does not tell who signs its prices")
        current, sets = self.guardians.current, self.guardians.sets
        return ContractSigners(current, {n: sets.get(n, NumberedSet(())) for n in {current, *named}})

    def calldata(self, blobs: Sequence[bytes], conditions: Mapping[FeedId, int] = NO_CONDITIONS) -> bytes:
        if not conditions:
            return SELECTOR + abi_encode(["bytes[]"], [list(blobs)])
        ids = [bytes.fromhex(feed_id) for feed_id in conditions]
        return CONDITIONAL + abi_encode(_CONDITIONAL_TYPES, [list(blobs), ids, list(conditions.values())])

    async def error_of(self, calldata: bytes, value: Wei, block: int) -> str:
        self.requests["error_of"] += 1
        blobs, conditions = _arguments(calldata)
        if conditions and not self._holds(conditions):
            return "NoFreshUpdate"
        messages = sum(len(accumulator.decode(blob).prices) for blob in blobs)
        return "InsufficientFee" if block and value < self.fee_per_message * messages else ""

    async def broadcast(self, signed: SignedTransaction, *, everywhere: bool = False) -> str:  # noqa: ARG002
        self.requests["broadcast"] += 1
        self.sent.append(signed.raw)
        if self.refuse:
            raise self.refuse.pop(0)
        self._accept(signed)
        if self.automine:
            self.mine()
        if self.lose_answers:
            self.lose_answers -= 1
            raise Uncertain("no answer")
        return "fake"

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        self.requests["receipt"] += 1
        return self.receipts.get(tx_hash)

    async def mined_nonce(self) -> int:
        self.requests["mined_nonce"] += 1
        return self.nonce

    async def look(self, tx_hashes: Sequence[bytes], *, with_block: bool) -> Look:
        self.requests["look"] += 1
        found = {tx_hash: self.receipts[tx_hash] for tx_hash in tx_hashes if tx_hash in self.receipts}
        return Look(found, self.block, Wei(self.base_fee)) if with_block else Look(found)

    async def search(self, tx_hashes: Sequence[bytes]) -> Mapping[bytes, Receipt]:
        return (await self.look(tx_hashes, with_block=False)).receipts

    async def mined_nonces(self) -> Sequence[int]:
        self.requests["mined_nonces"] += 1
        return self.told_nonces or (self.nonce,)

    async def pending_nonce(self) -> int:
        self.requests["pending_nonce"] += 1
        nonce = self.nonce
        while nonce in self.pool:
            nonce += 1
        return nonce

    async def recovered(self) -> None:
        await self.back.wait()

    async def follow(self, listener: ChainListener) -> None:  # noqa: ARG002
        return

    def endpoints(self) -> Sequence[EndpointStatus]:
        return (EndpointStatus("fake"),)

    def calls(self) -> Mapping[str, int]:
        return self.requests

    def calls_last_hour(self) -> Mapping[str, int]:
        return self.requests

    def mine(self) -> None:
        """The next block holds every pending transaction that follows the account's nonce and pays the base fee."""
        self.block += 1
        while (pending := self.pool.get(self.nonce)) is not None and pending.fee_cap >= self.base_fee:
            del self.pool[self.nonce]
            self._include(pending)

    def pass_blocks(self, count: int) -> None:
        """Blocks that leave the pool as it is."""
        self.block += count

    def reorganise(self, depth: int = 1, *, forget: bool = False) -> None:
        """Other blocks, which are empty, take the place of the last ones.

        What they wrote is unwritten, and their transactions are pending again, unless the node forgets them.
        """
        self.forks += 1
        while self.mined and self.mined[-1].block > self.block - depth:
            undone = self.mined.pop()
            del self.receipts[undone.pending.tx_hash]
            self.nonce -= 1
            self.balance += undone.cost
            for feed_id, price in undone.overwritten.items():
                self._restore(feed_id, price)
            if not forget:
                self.pool.setdefault(undone.pending.nonce, undone.pending)

    def use_nonce(self) -> None:
        """A stranger with the same key gets a transaction mined."""
        self.pool.pop(self.nonce, None)
        self.block += 1
        self._include(self._strangers(self.nonce, 2 * self.base_fee))

    def write_as_rival(self, prices: Mapping[FeedId, Price]) -> list[FeedWrite]:
        """Somebody else pushes these in a block of their own."""
        self.block += 1
        return [self._write(feed_id, price) for feed_id, price in prices.items()]

    def occupy_nonce(self, nonce: int, fee_cap: int) -> None:
        """A stranger with the same key has a transaction pending."""
        self.pool[nonce] = self._strangers(nonce, fee_cap)

    def drop_pool(self) -> None:
        """The node forgets all pending transactions."""
        self.pool.clear()

    def _strangers(self, nonce: int, fee_cap: int) -> Pending:
        tx_hash = keccak(b"stranger" + len(self.strangers).to_bytes(8, "big"))
        self.strangers.add(tx_hash)
        return Pending(tx_hash, nonce, fee_cap, tip=min(fee_cap, GWEI), gas_limit=21_000)

    def _accept(self, signed: SignedTransaction) -> None:
        pending = decode(signed)
        if pending.nonce < self.nonce:
            raise SendRefused(Refusal.NONCE_TOO_LOW, "nonce too low")
        known = self.pool.get(pending.nonce)
        if known is not None and known.tx_hash == signed.hash:
            return
        if pending.fee_cap < self.base_fee:
            raise SendRefused(Refusal.UNDERPRICED, "max fee per gas less than block base fee")
        if pending.gas_limit * pending.fee_cap + pending.value > self.balance:
            raise SendRefused(Refusal.INSUFFICIENT_FUNDS, "insufficient funds for gas * price + value")
        if known is not None and not _outbids(pending, known):
            raise SendRefused(Refusal.REPLACEMENT_UNDERPRICED, "replacement transaction underpriced")
        self.pool[pending.nonce] = pending

    def _include(self, pending: Pending) -> None:
        balance, overwritten = self.balance, {feed_id: self.prices.get(feed_id) for feed_id in _feeds(pending)}
        self.nonce += 1
        self.receipts[pending.tx_hash] = self._execute(pending)
        self.mined.append(Mined(pending, self.block, balance - self.balance, overwritten))

    def _restore(self, feed_id: FeedId, price: Price | None) -> None:
        if price is None:
            self.prices.pop(feed_id, None)
        else:
            self.prices[feed_id] = price

    def _execute(self, pending: Pending) -> Receipt:
        updates = [accumulator.decode(blob) for blob in pending.blobs]
        messages = [(feed_id, price) for update in updates for feed_id, price in update.prices.items()]
        first_writes = sum(feed_id not in self.prices for feed_id, _ in messages)
        signatures = updates[0].signature_count if updates else 1
        gas = model(PushShape(len(messages), first_writes, len(updates), signatures)) if updates else Gas(21_000)
        paid = pending.value >= self.fee_per_message * len(messages)
        sound = not self.reverting and not any(map(self.distrusts, pending.blobs))
        beaten = bool(pending.conditions) and not self._holds(pending.conditions)
        if beaten:
            gas = _LOST_RACE_GAS
        succeeded = not updates or (paid and not beaten and sound and gas <= pending.gas_limit)
        gas_price = Wei(min(pending.fee_cap, self.base_fee + pending.tip))
        writes = tuple(
            self._write(feed_id, price) for feed_id, price in messages if succeeded and self._newer(feed_id, price)
        )
        used = Gas(min(gas, pending.gas_limit))
        self.balance -= used * gas_price + (pending.value if succeeded else 0)
        return Receipt(
            tx_hash=pending.tx_hash,
            block_number=self.block,
            block_hash=self.block_hash(self.block),
            succeeded=succeeded,
            gas_used=used,
            effective_gas_price=gas_price,
            l1_fee=Wei(0),
            writes=writes,
        )

    def block_hash(self, number: int) -> bytes:
        """Of a block that is mined now: another one after a reorganisation."""
        return keccak(number.to_bytes(8, "big") + self.forks.to_bytes(8, "big"))

    def _holds(self, conditions: Mapping[FeedId, int]) -> bool:
        """Whether one of them is older than that."""
        stored = {feed_id: self.prices[feed_id].publish_time for feed_id in conditions if feed_id in self.prices}
        return any(stored.get(feed_id, 0) < wanted for feed_id, wanted in conditions.items())

    def _newer(self, feed_id: FeedId, price: Price) -> bool:
        return feed_id not in self.prices or price.publish_time > self.prices[feed_id].publish_time

    def _write(self, feed_id: FeedId, price: Price) -> FeedWrite:
        self.prices[feed_id] = price
        return FeedWrite(feed_id, price.publish_time, price.price, price.conf)


def decode(signed: SignedTransaction) -> Pending:
    """The transaction in these bytes."""
    _, nonce, tip, fee_cap, gas_limit, _, value, data = rlp.decode(signed.raw[1:])[:8]
    blobs, conditions = _arguments(data)
    return Pending(
        tx_hash=signed.hash,
        nonce=int.from_bytes(nonce, "big"),
        fee_cap=int.from_bytes(fee_cap, "big"),
        tip=int.from_bytes(tip, "big"),
        gas_limit=int.from_bytes(gas_limit, "big"),
        value=int.from_bytes(value, "big"),
        blobs=blobs,
        conditions=conditions,
    )


def _arguments(calldata: bytes) -> tuple[tuple[bytes, ...], dict[FeedId, int]]:
    """Update data and conditions of a push; neither where it is none."""
    if calldata[:4] != CONDITIONAL:
        return (tuple(abi_decode(["bytes[]"], calldata[4:])[0]) if calldata else ()), {}
    blobs, ids, times = abi_decode(_CONDITIONAL_TYPES, calldata[4:])
    return tuple(blobs), {FeedId(feed_id.hex()): publish_time for feed_id, publish_time in zip(ids, times, strict=True)}


def _feeds(pending: Pending) -> set[FeedId]:
    return {feed_id for blob in pending.blobs for feed_id in accumulator.decode(blob).prices}


def _outbids(new: Pending, old: Pending) -> bool:
    return new.fee_cap * 10 >= old.fee_cap * 11 and new.tip * 10 >= old.tip * 11
