"""What is on chain, as far as the keeper knows: what it is told, its own receipts, and a poll that repairs the rest."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from keeper.domain.accumulator import Update
from keeper.domain.fees import FeeMarket, UpdateFee
from keeper.domain.gas import TRANSACTION_CAP, GasPredictor, PushShape
from keeper.domain.plan import Plan
from keeper.domain.price import Price
from keeper.domain.sightings import Origin, Sightings
from keeper.domain.transaction import FeedWrite, Receipt
from keeper.domain.units import FeedId, Gas, Wei
from keeper.pipeline.buffer import Buffer
from keeper.pipeline.inclusion import BlockPace
from keeper.pipeline.rivals import Rivals
from keeper.pipeline.witness import Witness
from keeper.ports import Chain, ChainState, Clock, Glance, Head, Terms


class OnChainView:
    """The chain as last seen: prices, fees, gas, balance."""

    def __init__(
        self,
        *,
        chain: Chain,
        feeds: Sequence[FeedId],
        buffer: Buffer,
        clock: Clock,
        rivals: Rivals,
        block_time_s: float = 0.0,
    ) -> None:
        """`block_time_s`: where it is known before any block was seen."""
        self._chain = chain
        self._feeds = feeds
        self._buffer = buffer
        self._clock = clock
        self._witness = Witness(clock=clock, rivals=rivals)
        self.unread: frozenset[FeedId] = frozenset()
        """Feeds that are wanted since the last read: what is on chain of them is not known."""
        self._chain_id: int | None = None
        self._state: ChainState | None = None
        self._read_at = 0.0
        self._market: FeeMarket | None = None
        self._market_at = 0.0
        self._told_fee: UpdateFee | None = None
        """The update fee by the contract's constants, and what it was when the contract's terms were learned."""
        self._learned_fee: UpdateFee | None = None
        self._balance: Wei | None = None
        self._prices: dict[FeedId, Price | None] = {}
        self._block = -1
        self._base_fee: Wei | None = None
        self._block_gas_limit = TRANSACTION_CAP
        self._expected: dict[int, Mapping[FeedId, Price]] = {}
        """What pushes in flight carry, by their number: as good as on chain while the next one is decided."""
        self._pretended: dict[FeedId, Price] = {}
        """What a dry run would have pushed."""
        self._pace = BlockPace(block_time_s)
        self.live = False
        """Whether heads and stored prices are told as they come."""
        self.update_fee: UpdateFee | None = None
        self.gas = GasPredictor()

    @property
    def sightings(self) -> Sightings:
        """Who stored what, as far as it was seen."""
        return self._witness.sightings

    @property
    def known_chain_id(self) -> int | None:
        """The chain id, or None before `connect`."""
        return self._chain_id

    @property
    def chain_id(self) -> int:
        """The chain id; only after `connect`."""
        assert self._chain_id is not None
        return self._chain_id

    @property
    def state(self) -> ChainState | None:
        """The last whole read, or None before the first."""
        return self._state

    @property
    def read_since_s(self) -> float:
        """How long ago that was; only after the first."""
        return self._clock.monotonic() - self._read_at

    @property
    def market_age_s(self) -> float:
        """How long ago fees were asked for; only after the first read."""
        return self._clock.monotonic() - self._market_at

    @property
    def balance(self) -> Wei | None:
        """Of the account, as last read; None before the first read."""
        return self._balance

    @property
    def block(self) -> int | None:
        """The highest block seen."""
        return None if self._block < 0 else self._block

    @property
    def head(self) -> int:
        """The same; only after the first read."""
        return self._block

    @property
    def block_time_s(self) -> float:
        """How far blocks are apart, as known before and learned since; 0 for not at all."""
        return self._pace.seconds

    @property
    def market(self) -> FeeMarket:
        """Fees as of the latest block seen; only after the first read."""
        assert self._market is not None
        return FeeMarket(self._base_fee, self._market.tip, self._market.gas_price)

    @property
    def gas_cap(self) -> Gas:
        """The most gas that one transaction may ask for here; only after the first read."""
        return min(self._block_gas_limit, TRANSACTION_CAP)

    def want(self, feeds: Sequence[FeedId]) -> None:
        """Look after these from now on."""
        known = frozenset() if self._state is None else frozenset(self._prices)
        self._feeds = feeds
        self.unread = frozenset() if self._state is None else frozenset(feeds) - known

    def price(self, feed_id: FeedId) -> Price | None:
        """The on-chain price; None for a feed that was never pushed."""
        return self._prices.get(feed_id)

    def knows(self, pushed: Mapping[FeedId, Price]) -> bool:
        """Whether of each feed a price is known to be on chain that is as new as the one pushed."""
        known = {feed_id: self._prices.get(feed_id) for feed_id in pushed}
        return all(_newer(pushed[feed_id], price) is price for feed_id, price in known.items())

    def coming(self, feed_id: FeedId) -> Price | None:
        """The price that will be on chain once everything in flight has landed."""
        price = self._prices.get(feed_id)
        for carried in self._expected.values():
            price = _newer(carried.get(feed_id), price)
        return _newer(self._pretended.get(feed_id), price) if self._pretended else price

    def all_coming(self) -> Mapping[FeedId, Price | None]:
        """The same of every feed at once, as of now; to be read and not to be kept."""
        moving = self.carried | self._pretended.keys()
        return self._prices | {feed_id: self.coming(feed_id) for feed_id in moving} if moving else self._prices

    def expect(self, push: int, prices: Mapping[FeedId, Price]) -> None:
        """A push in flight carries these."""
        self._expected[push] = prices
        self._witness.pushes(prices)

    def forget(self, push: int) -> None:
        """It landed, or never will."""
        self._expected.pop(push, None)

    @contextmanager
    def without(self, push: int) -> Iterator[None]:
        """For a moment, as if that push did not exist: what it carries is to be decided anew."""
        carried = self._expected.pop(push, None)
        try:
            yield
        finally:
            if carried is not None:
                self._expected[push] = carried

    @property
    def carried(self) -> frozenset[FeedId]:
        """The feeds of all pushes in flight."""
        return frozenset(feed_id for prices in self._expected.values() for feed_id in prices)

    def carried_after(self, push: int) -> frozenset[FeedId]:
        """The feeds of later pushes in flight: an earlier one that took them over would leave those with nothing."""
        return frozenset(feed_id for later, prices in self._expected.items() if later > push for feed_id in prices)

    def saw_block(self, number: int, base_fee: Wei | None = None) -> None:
        """A block was mentioned, and perhaps its base fee."""
        if base_fee is not None and number >= self._block:
            self._base_fee = base_fee
        if number > self._block:
            self._pace.learn(number, self._clock.monotonic())
            self._block = number

    async def connect(self) -> None:
        """Learn which chain this is."""
        self._chain_id = await self._chain.connect()

    def saw_head(self, head: Head) -> None:
        """A new block: it may have a lower number than one before, when blocks were taken back."""
        self.saw_block(head.number)
        self._block = head.number
        self._base_fee = head.base_fee
        self._block_gas_limit = head.gas_limit

    def wrote(self, write: FeedWrite, *, like: Price | None, block: int, origin: Origin) -> None:
        """The contract stored a price; its event names no exponent, which is that of the price known or of `like`."""
        known = self._prices.get(write.feed_id) or like
        if known is None or known is like or write.publish_time > known.publish_time:
            self._witness.told(write.feed_id, write.publish_time, block, origin)
            if known is not None:
                self._prices[write.feed_id] = known._replace(
                    price=write.price, conf=write.conf, publish_time=write.publish_time
                )

    async def read(self, *, reorganised: bool = False) -> ChainState:
        """Read everything in one batch.

        An answer from an older block than one already seen changes no price, unless blocks were taken back.
        """
        state = await self._chain.read(self._feeds)
        self._take(state, reorganised=reorganised)
        self._state, self._read_at = state, self._clock.monotonic()
        self._block_gas_limit = state.block_gas_limit
        self._take_market(state.market)
        return state

    async def glance(self, *, reorganised: bool = False) -> Glance:
        """Read prices, balance and update fee, with the same rule.

        Who answers from an older block than was seen before it was asked is asked for everything: that shows it to lag.
        """
        seen = self._block
        glance = await self._chain.glance(self._feeds)
        if glance.block < seen and not reorganised:
            return await self.read()
        self._take(glance, reorganised=reorganised)
        return glance

    async def ask_fees(self) -> None:
        """Read the fees alone."""
        self._take_market(await self._chain.market())

    def _take(self, glance: Glance, *, reorganised: bool) -> None:
        if reorganised or glance.block >= self._block:
            if self._prices:
                for feed_id in glance.prices.keys() - self.unread:
                    known, price = self._prices.get(feed_id), glance.prices[feed_id]
                    self._witness.read(feed_id, known, price, glance.block, told=reorganised)
            self._prices.update(glance.prices)
            self._block = glance.block
            self.unread -= glance.prices.keys()
        self._balance = glance.balance
        self._told_fee = glance.update_fee

    def _take_market(self, market: FeeMarket) -> None:
        self._market, self._market_at = market, self._clock.monotonic()
        self._base_fee = market.base_fee

    @property
    def terms_are_due(self) -> bool:
        """Whether the contract's terms may have changed since they were learned."""
        return self._told_fee is None or self._told_fee != self._learned_fee

    async def learn_terms(self, sample: tuple[FeedId, Update] | None = None) -> Terms:
        """Ask the contract's fee and the gas of a push, with a feed of this update or of any that has arrived."""
        sample = sample or self._buffer.any()
        assert sample is not None
        feed_id, update = sample
        told_fee = self._told_fee
        terms = await self._chain.terms(update.slice([feed_id]))
        self.update_fee, self._learned_fee = terms.update_fee, told_fee
        shape = PushShape(
            feeds=1,
            first_writes=int(self.price(feed_id) is None),
            blobs=1,
            signatures=update.signature_count,
        )
        if terms.gas is not None and terms.gas > self.gas.expected(shape):
            self.gas = self.gas.learned(shape, terms.gas)
        return terms

    def landed(self, receipt: Receipt, plan: Plan | None) -> None:
        """A transaction of ours was mined: its events say what the contract stored and its gas how much that takes."""
        self.saw_block(receipt.block_number)
        if self._base_fee is not None:
            self._base_fee = Wei(max(receipt.effective_gas_price - self.market.tip, 0))
        if plan is None:
            return
        for write in receipt.writes:
            like = plan.prices.get(write.feed_id)
            self.wrote(write, like=like, block=receipt.block_number, origin=Origin.SELF)
        self._witness.stored_none_of(plan.prices.keys() - {write.feed_id for write in receipt.writes}, plan.prices)
        out_of_gas = not receipt.succeeded and receipt.gas_used * 50 >= plan.gas_limit * 49
        if out_of_gas or len(receipt.writes) == plan.shape.feeds:
            self.gas = self.gas.learned(plan.shape, receipt.gas_used)

    def pretend(self, sent: Mapping[FeedId, Price]) -> None:
        """A dry run pushed these: judge the next prices as if they were on chain."""
        self._pretended |= sent


def _newer(one: Price | None, other: Price | None) -> Price | None:
    """The newer of two prices, the second of equals."""
    return one if one is not None and (other is None or one.publish_time > other.publish_time) else other
