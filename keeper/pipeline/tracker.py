"""What is on chain, as far as the keeper knows: its own receipts, and a slow poll that repairs the rest."""

from collections.abc import Mapping, Sequence

from keeper.domain.fees import FeeMarket, UpdateFee
from keeper.domain.gas import TRANSACTION_CAP, GasPredictor, PushShape
from keeper.domain.price import Price
from keeper.domain.transaction import Receipt
from keeper.domain.units import FeedId, Gas, Wei
from keeper.pipeline.buffer import Buffer
from keeper.ports import Chain, ChainState, Terms


class OnChainView:
    """The chain as last seen: prices, fees, gas, balance."""

    def __init__(self, *, chain: Chain, feeds: Sequence[FeedId], buffer: Buffer) -> None:
        self._chain = chain
        self._feeds = feeds
        self._buffer = buffer
        self._chain_id: int | None = None
        self._state: ChainState | None = None
        self._prices: dict[FeedId, Price | None] = {}
        self._block = -1
        self._base_fee: Wei | None = None
        self.update_fee: UpdateFee | None = None
        self.gas = GasPredictor()

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
        """The last read, or None before the first."""
        return self._state

    @property
    def block(self) -> int | None:
        """The highest block seen."""
        return None if self._block < 0 else self._block

    @property
    def market(self) -> FeeMarket:
        """Fees as of the latest block seen; only after the first read."""
        assert self._state is not None
        market = self._state.market
        return FeeMarket(self._base_fee, market.tip, market.gas_price)

    @property
    def gas_cap(self) -> Gas:
        """The most gas that one transaction may ask for here; only after the first read."""
        assert self._state is not None
        return min(self._state.block_gas_limit, TRANSACTION_CAP)

    def price(self, feed_id: FeedId) -> Price | None:
        """The on-chain price, or None for a feed that was never pushed."""
        return self._prices.get(feed_id)

    async def connect(self) -> None:
        """Learn which chain this is."""
        self._chain_id = await self._chain.connect()

    async def read(self) -> ChainState:
        """Read everything in one batch; an answer from an older block than one already seen changes no price."""
        state = await self._chain.read(self._feeds)
        if state.block >= self._block:
            self._prices.update(state.prices)
            self._block = state.block
        self._state = state
        self._base_fee = state.market.base_fee
        return state

    async def learn_terms(self) -> Terms:
        """Ask the contract's fee and the gas of a push, with a real update; only once prices have arrived."""
        sample = self._buffer.any()
        assert sample is not None
        feed_id, update = sample
        terms = await self._chain.terms(update.slice([feed_id]))
        self.update_fee = terms.update_fee
        shape = PushShape(
            feeds=1,
            first_writes=int(self.price(feed_id) is None),
            blobs=1,
            signatures=update.signature_count,
        )
        if terms.gas is not None and terms.gas > self.gas.expected(shape):
            self.gas = self.gas.learned(shape, terms.gas)
        return terms

    def landed(self, receipt: Receipt, sent: Mapping[FeedId, Price], shape: PushShape, *, gas_limit: Gas) -> None:
        """A transaction of ours was mined: its events say what the contract stored and its gas how much that takes."""
        self._block = max(self._block, receipt.block_number)
        for write in receipt.writes:
            known = sent.get(write.feed_id) or self._prices.get(write.feed_id)
            if known is not None:
                self._prices[write.feed_id] = known._replace(
                    price=write.price, conf=write.conf, publish_time=write.publish_time
                )
        out_of_gas = not receipt.succeeded and receipt.gas_used * 50 >= gas_limit * 49
        if out_of_gas or len(receipt.writes) == shape.feeds:
            self.gas = self.gas.learned(shape, receipt.gas_used)
        if self._base_fee is not None:
            self._base_fee = Wei(max(receipt.effective_gas_price - self.market.tip, 0))

    def pretend(self, sent: Mapping[FeedId, Price]) -> None:
        """A dry run pushed these: judge the next prices as if they were on chain."""
        self._prices.update(sent)
