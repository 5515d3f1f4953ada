"""Prices, amounts and hashes as JSON has them: exact to the last digit."""

from keeper.domain.price import Price
from keeper.domain.units import Wei
from keeper.server.decimals import decimal_text, native_text
from keeper.server.streams.frame_parts import StreamPrice
from keeper.server.views import Amount


def price_figures(price: Price) -> StreamPrice:
    """One price."""
    return StreamPrice(
        price=str(price.price),
        conf=str(price.conf),
        expo=price.expo,
        value=decimal_text(price.price, price.expo),
        publish_time=price.publish_time,
    )


def amount(wei: Wei) -> Amount:
    """An amount of the chain's coin."""
    return Amount(wei=str(wei), native=native_text(wei))


def hex_text(raw: bytes) -> str:
    """Bytes as a chain writes them."""
    return f"0x{raw.hex()}"


def milliseconds(seconds: float) -> float:
    """To the tenth."""
    return round(seconds * 1_000, 1)
