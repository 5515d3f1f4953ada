"""How amounts are read: coins, gwei and multipliers, each exactly or not at all."""

from typing import Annotated

from pydantic import PlainValidator, ValidationInfo

from keeper.app.problems import Wrong, shown
from keeper.app.values import choice, fraction, one
from keeper.domain.fees import FeeKind
from keeper.domain.units import MILLION, WEI_PER_GWEI, Ppm, Wei

_WEI_PER_COIN = 10**18
_MOST_TIMES = 100


def coins(value: object) -> Wei:
    """An amount of the chain's coin, more than nothing."""
    return _positive(_exactly(value, _WEI_PER_COIN, unit="coins"))


def gwei_or_zero(value: object) -> Wei:
    """A price of gas."""
    return _exactly(value, WEI_PER_GWEI, unit="gwei")


def gwei(value: object) -> Wei:
    """A price of gas, more than nothing."""
    return _positive(gwei_or_zero(value))


def multiplier(value: object) -> Ppm:
    """A factor, as parts per million."""
    ppm = fraction(value) * MILLION
    if ppm.denominator != 1 or not 0 < ppm <= _MOST_TIMES * MILLION:
        raise Wrong(f"{shown(one(value))} is not a factor from 0.000001 to {_MOST_TIMES}, with six decimals at most")
    return Ppm(ppm.numerator)


def headroom(value: object) -> Ppm:
    """A factor of one or more."""
    ppm = multiplier(value)
    if ppm < MILLION:
        raise Wrong(f"{shown(one(value))} is less than 1: the chain takes nothing below its base fee")
    return ppm


def fixed_fee(value: object, info: ValidationInfo) -> Wei:
    """A price of gas that the cap, which is read before, allows."""
    fee, cap = gwei(value), info.data.get("max_fee_gwei")
    if cap is not None and fee > cap:
        raise Wrong("is more than MAX_FEE_GWEI: raise that as well")
    return fee


def fee_strategy(value: object, info: ValidationInfo) -> FeeKind:
    """How to bid; a fixed fee is read before."""
    kind = choice(value, FeeKind)
    if kind is FeeKind.FIXED and info.data.get("fee_fixed_gwei", "wrong") is None:
        raise Wrong("a fixed fee is wanted: set FEE_FIXED_GWEI")
    return kind


def max_tip(value: object, info: ValidationInfo) -> Wei:
    """A tip no lower than the least one, which is read before."""
    most, least = gwei_or_zero(value), info.data.get("min_tip_gwei")
    if least is not None and most < least:
        raise Wrong("is less than MIN_TIP_GWEI")
    return most


def _exactly(value: object, wei_per_unit: int, *, unit: str) -> Wei:
    wei = fraction(value) * wei_per_unit
    if wei.denominator != 1:
        raise Wrong(f"{shown(one(value))} {unit} is too fine: one wei is the smallest amount")
    return Wei(wei.numerator)


def _positive(amount: Wei) -> Wei:
    if amount == 0:
        raise Wrong("must be more than 0")
    return amount


Coins = Annotated[Wei, PlainValidator(coins)]
Gwei = Annotated[Wei, PlainValidator(gwei)]
GweiOrZero = Annotated[Wei, PlainValidator(gwei_or_zero)]
Multiplier = Annotated[Ppm, PlainValidator(multiplier)]
Headroom = Annotated[Ppm, PlainValidator(headroom)]
FixedFee = Annotated[Wei, PlainValidator(fixed_fee)]
FeeStrategy = Annotated[FeeKind, PlainValidator(fee_strategy)]
MaxTip = Annotated[Wei, PlainValidator(max_tip)]
