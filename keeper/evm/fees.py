"""Fees as the chain tells them: the header's base fee, the gas price, and the tip that is usual."""

from collections.abc import Iterator, Sequence
from statistics import median_low

import msgspec

from keeper.domain.fees import FeeMarket
from keeper.domain.units import Wei
from keeper.evm.errors import result_of
from keeper.evm.wire import Call, Response, quantity

_BLOCKS = 5
_GAS_PRICE = Call("eth_gasPrice")
_SUGGESTION = Call("eth_maxPriorityFeePerGas")


class _FeeHistory(msgspec.Struct, frozen=True, rename="camel"):
    reward: tuple[tuple[str, ...], ...] | None = None
    base_fee_per_gas: tuple[str, ...] = ()


def fee_calls(tip_percentile: int | None) -> list[Call]:
    """What to ask a node; of tips at a percentile only if there is one."""
    calls = [_GAS_PRICE, _SUGGESTION]
    if tip_percentile is not None:
        calls.append(Call("eth_feeHistory", (hex(_BLOCKS), "latest", (tip_percentile,))))
    return calls


def fee_market(base_fee: str | None, answers: Sequence[Response]) -> FeeMarket:
    """What the header and the answers to `fee_calls` say.

    The tip is the median of those that the latest blocks took at the percentile, else what the node suggests, else
    what its gas price holds besides the base fee.
    """
    gas_price, suggestion, *history = answers
    price = Wei(quantity(result_of(gas_price)))
    if base_fee is None:
        return FeeMarket(base_fee=None, tip=Wei(0), gas_price=price)
    base = Wei(quantity(base_fee))
    tips = [tip for answer in history for tip in _tips(answer)]
    if tips:
        tip = median_low(tips)
    elif suggestion.error is None:
        tip = quantity(suggestion.result)
    else:
        tip = max(price - base, 0)
    return FeeMarket(base, Wei(tip), price)


def history_market(answer: Response) -> FeeMarket | None:
    """What the history alone says of the next block; None where it does not tell all."""
    history = _history(answer)
    tips = list(_tips(answer))
    if history is None or not history.base_fee_per_gas or not tips:
        return None
    base, tip = Wei(quantity(history.base_fee_per_gas[-1])), Wei(median_low(tips))
    return FeeMarket(base, tip, gas_price=Wei(base + tip))


def _history(answer: Response) -> _FeeHistory | None:
    if answer.error is not None:
        return None
    try:
        return msgspec.convert(answer.result, _FeeHistory)
    except msgspec.ValidationError:
        return None


def _tips(answer: Response) -> Iterator[int]:
    """One a block; of blocks without transactions and of nodes without history there is nothing to learn."""
    history = _history(answer)
    for rewards in (history and history.reward) or ():
        yield from filter(None, map(quantity, rewards))
