"""Exact decimal text of integers: what people and JSON get instead of floats."""

_MOST_ZEROS = 64
"""An exponent beyond this is nobody's price: its digits are not written out."""
_WEI_EXPONENT = -18
_GWEI_EXPONENT = -9


def decimal_text(value: int, expo: int) -> str:
    """`value * 10**expo`, exactly, with all the digits after the point that the exponent tells."""
    if abs(expo) > _MOST_ZEROS:
        return f"{value}e{expo}"
    if expo >= 0:
        return str(value * 10**expo)
    digits = str(abs(value)).rjust(1 - expo, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:expo]}.{digits[expo:]}"


def native_text(wei: int) -> str:
    """An amount in the chain's coin, exactly, without trailing zeros."""
    return _without_zeros(decimal_text(wei, _WEI_EXPONENT))


def gwei_text(wei: int) -> str:
    """A price of gas in gwei, exactly, without trailing zeros."""
    return _without_zeros(decimal_text(wei, _GWEI_EXPONENT))


def _without_zeros(text: str) -> str:
    return text.rstrip("0").removesuffix(".")
