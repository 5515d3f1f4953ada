"""What to offer for gas, and what a push costs. All amounts in wei."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.units import MILLION, WEI_PER_GWEI, Gas, Ppm, Wei


@dataclass(frozen=True, slots=True)
class FeeMarket:
    """The latest header's fee and the tip that is usual on the chain."""

    base_fee: Wei | None
    """None on a chain without EIP-1559."""
    tip: Wei
    gas_price: Wei
    """What eth_gasPrice says: used where there is no base fee."""

    @property
    def asked(self) -> Wei:
        """The least that the next block takes, as far as the chain tells."""
        return self.gas_price if self.base_fee is None else self.base_fee


class FeeKind(StrEnum):
    """What an offer is made of."""

    AUTO = "auto"
    """EIP-1559 where headers tell a base fee, else legacy."""
    EIP1559 = "eip1559"
    LEGACY = "legacy"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """How to bid for gas. Multipliers are in parts per million."""

    kind: FeeKind = FeeKind.AUTO
    max_fee: Wei = Wei(500 * WEI_PER_GWEI)
    """No offer is above this, whatever the chain asks for."""
    base_fee_multiplier: Ppm = Ppm(2 * MILLION)
    """Headroom: six full blocks in a row double the base fee."""
    tip_multiplier: Ppm = Ppm(MILLION)
    min_tip: Wei = Wei(0)
    max_tip: Wei | None = None
    gas_price_multiplier: Ppm = Ppm(MILLION)
    """Of legacy offers."""
    fixed: Wei = Wei(0)
    """The price of fixed offers."""

    def is_priced_out(self, market: FeeMarket) -> bool:
        """Whether the chain asks for more than may ever be offered."""
        return market.asked > self.max_fee


_PLAIN = FeePolicy()


@dataclass(frozen=True, slots=True)
class GasOffer:
    """The fee fields of a transaction: EIP-1559, or legacy where fee cap and tip are one gas price."""

    fee_cap: Wei
    tip: Wei
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class UpdateFee:
    """What the contract charges: per message and per transaction."""

    per_message: Wei
    per_transaction: Wei = Wei(0)

    def of(self, messages: int) -> Wei:
        """The value to send with a push."""
        return Wei(self.per_message * messages + self.per_transaction)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one transaction took from the account."""

    gas: Wei
    """Gas used times the effective price, and on rollups the share of L1."""
    update_fee: Wei

    @property
    def total(self) -> Wei:
        """Both."""
        return Wei(self.gas + self.update_fee)


def offer(market: FeeMarket, policy: FeePolicy = _PLAIN) -> GasOffer:
    """A first offer. It knows of no earlier one: when a spike is over, fees are back where they were."""
    if policy.kind is FeeKind.FIXED:
        return _flat(policy.fixed, policy, legacy=market.base_fee is None)
    if policy.kind is FeeKind.LEGACY or (policy.kind is FeeKind.AUTO and market.base_fee is None):
        return _flat(_times(market.gas_price, policy.gas_price_multiplier), policy, legacy=True)
    return _with_tip(market, policy)


def _flat(price: int, policy: FeePolicy, *, legacy: bool) -> GasOffer:
    fee = Wei(min(price, policy.max_fee))
    return GasOffer(fee, fee, legacy)


def _with_tip(market: FeeMarket, policy: FeePolicy) -> GasOffer:
    """The fee cap leaves room for the base fee to rise; where headers tell none, the gas price stands in for it."""
    tip = max(_times(market.tip, policy.tip_multiplier), policy.min_tip)
    if policy.max_tip is not None:
        tip = min(tip, policy.max_tip)
    fee_cap = min(_times(market.asked, policy.base_fee_multiplier) + tip, policy.max_fee)
    return GasOffer(Wei(fee_cap), Wei(min(tip, fee_cap)))


def _times(amount: Wei, multiplier: Ppm) -> int:
    """Rounded up."""
    return -(-amount * multiplier // MILLION)


def bumped(highest: GasOffer, fresh: GasOffer) -> GasOffer:
    """An offer nodes accept in place of `highest`: both fields 12.5% over it, rounded up, and no lower than `fresh`."""
    return GasOffer(
        fee_cap=max(_bump(highest.fee_cap), fresh.fee_cap),
        tip=max(_bump(highest.tip), fresh.tip),
        legacy=fresh.legacy,
    )


def _bump(fee: Wei) -> Wei:
    return Wei(max(-(-fee * 9 // 8), fee + 1))


def progress_to_join(*, marginal_cost: Wei, saved_cost: Wei) -> int:
    """From how many ppm of the way to a push of its own a feed should join this one; over a million is never.

    Joining buys `progress` of a period for the marginal cost; waiting buys all of it for that and the fixed cost
    it would have to bear. So it joins when marginal / progress < marginal + saved.
    """
    own_cost = marginal_cost + saved_cost
    return marginal_cost * MILLION // own_cost + 1 if own_cost else MILLION + 1


def shared(cost: Cost, weights: Sequence[int]) -> list[Cost]:
    """The cost of a push split over its feeds by weight, exact to the wei: what does not divide goes to the first."""
    parts = [
        Cost(gas=Wei(cost.gas * weight // sum(weights)), update_fee=Wei(cost.update_fee // len(weights)))
        for weight in weights
    ]
    rest = Cost(
        gas=Wei(cost.gas - sum(part.gas for part in parts)),
        update_fee=Wei(cost.update_fee - sum(part.update_fee for part in parts)),
    )
    parts[0] = Cost(Wei(parts[0].gas + rest.gas), Wei(parts[0].update_fee + rest.update_fee))
    return parts


def push_cost(gas_used: Gas, effective_price: Wei, l1_fee: Wei, value: Wei) -> Cost:
    """The cost of a mined transaction; `value` is zero for one that reverted."""
    return Cost(gas=Wei(gas_used * effective_price + l1_fee), update_fee=value)
