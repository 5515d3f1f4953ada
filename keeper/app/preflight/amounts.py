"""Amounts as people read them: rounded, never for a decision."""

from decimal import Decimal

from keeper.domain.units import WEI_PER_GWEI, Wei


def amount(wei: Wei) -> str:
    """An amount of the chain's coin, rounded to four digits; below one gwei in wei."""
    if wei < WEI_PER_GWEI:
        return f"{wei} wei"
    coins = Decimal(f"{Decimal(wei).scaleb(-18):.4g}")
    return f"{coins.normalize():f} of the native coin"
