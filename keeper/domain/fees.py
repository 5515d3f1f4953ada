"""What to offer for gas, and what a push costs. All amounts in wei."""

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.domain.units import MILLION, Gas, Wei

_BASE_FEE_HEADROOM = 2
"""Six full blocks in a row double the base fee."""


@dataclass(frozen=True, slots=True)
class FeeMarket:
    """The latest header's fee and the tip the chain suggests."""

    base_fee: Wei | None
    """None on a chain without EIP-1559."""
    tip: Wei
    gas_price: Wei
    """What eth_gasPrice says: used where there is no base fee."""


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


def offer(market: FeeMarket) -> GasOffer:
    """A first offer: the fee cap leaves room for the base fee to double, the tip is the suggested one."""
    if market.base_fee is None:
        return GasOffer(market.gas_price, market.gas_price, legacy=True)
    return GasOffer(Wei(market.base_fee * _BASE_FEE_HEADROOM + market.tip), market.tip)


def bumped(highest: GasOffer, fresh: GasOffer) -> GasOffer:
    """An offer nodes accept in place of `highest`: both fields 12.5% over it, rounded up, and no lower than `fresh`."""
    return GasOffer(
        fee_cap=max(_bump(highest.fee_cap), fresh.fee_cap),
        tip=max(_bump(highest.tip), fresh.tip),
        legacy=fresh.legacy,
    )


def _bump(fee: Wei) -> Wei:
    return Wei(max(-(-fee * 9 // 8), fee + 1))


def joins_cheaper(*, progress: int, marginal_cost: Wei, saved_cost: Wei) -> bool:
    """Whether a feed `progress` ppm on its way to a push of its own should join this one.

    Joining buys `progress` of a period for the marginal cost; waiting buys all of it for that and the fixed cost
    it would have to bear. So it joins when marginal / progress < marginal + saved.
    """
    return marginal_cost * MILLION < progress * (marginal_cost + saved_cost)


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
