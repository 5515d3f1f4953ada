"""Flights to try a journal with: one told step by step, and any that may come."""

from dataclasses import replace

from hypothesis import strategies as st

from keeper.domain.fees import GasOffer
from keeper.domain.gas import PushShape
from keeper.domain.plan import Plan
from keeper.domain.policy import Reason
from keeper.domain.price import Price
from keeper.domain.transaction import (
    ENDED,
    Attempt,
    Fate,
    FeedWrite,
    Flight,
    Receipt,
    SignedTransaction,
)
from keeper.domain.units import FeedId, Gas, Wei
from keeper.ports import Account, Note

ACCOUNT = Account("test", 31337, "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
OTHER = Account("other", 1, ACCOUNT.address)
BTC, ETH = (FeedId(digit * 64) for digit in "be")
GWEI = 10**9


def plan(*feeds: FeedId, first_writes: int = 0) -> Plan:
    """An update of these feeds, the first so many of which were never pushed."""
    reasons = [Reason.NEVER_PUSHED] * first_writes + [Reason.DEVIATION] * len(feeds)
    return Plan(
        feeds=tuple(zip(feeds, reasons, strict=False)),
        prices={feed_id: Price(10**8 + number, 10**4, -8, 1_700_000_000) for number, feed_id in enumerate(feeds)},
        blobs=(b"PNAU" + bytes(200),),
        shape=PushShape(len(feeds), first_writes, 1, 13),
        gas_limit=Gas(200_000),
        value=Wei(len(feeds)),
        newest_arrival=1234.5,
        complete=True,
    )


def attempt(number: int, planned: Plan | None, *, fee_cap: int = 2 * GWEI, fate: Fate = Fate.SIGNED) -> Attempt:
    """A transaction whose hash is a number, repeated where it is small."""
    tx_hash = bytes([number]) * 32 if number < 256 else number.to_bytes(32, "big")
    signed = SignedTransaction(b"\x02" + tx_hash * 10, tx_hash)
    return Attempt(signed, GasOffer(Wei(fee_cap), Wei(GWEI)), planned, fate)


def receipt(tried: Attempt, *, succeeded: bool = True, block: int = 17) -> Receipt:
    """The attempt is mined, and the contract wrote all of its feeds."""
    prices = {} if tried.plan is None or not succeeded else tried.plan.prices
    return Receipt(
        tx_hash=tried.signed.hash,
        block_number=block,
        block_hash=bytes([block]) * 32,
        succeeded=succeeded,
        gas_used=Gas(120_001),
        effective_gas_price=Wei(GWEI + 7),
        l1_fee=Wei(11),
        writes=tuple(FeedWrite(feed, price.publish_time, price.price, price.conf) for feed, price in prices.items()),
    )


def sent(flight: Flight, fate: Fate = Fate.HELD, *, block: int = 16) -> Flight:
    """The newest attempt was handed over."""
    *older, newest = flight.attempts
    return replace(flight, attempts=(*older, replace(newest, fate=fate, sent_at=99.0, since=99.0, since_block=block)))


def note(at: float, kind: str, tried: Attempt | None = None, *, endpoint: str = "", detail: str = "") -> Note:
    """A line about an attempt."""
    return Note(at, kind, None if tried is None else tried.signed.hash, endpoint, detail)


def recovered(flight: Flight) -> Flight:
    """What a journal gives back of a flight that it holds."""
    return replace(flight, attempts=tuple(map(_recovered, flight.attempts)), resume_at=0.0, hopeless=False)


def _recovered(tried: Attempt) -> Attempt:
    out = tried.fate in {Fate.SIGNED, Fate.HELD, Fate.DOUBTFUL}
    planned = None if tried.plan is None else replace(tried.plan, blobs=(), newest_arrival=0.0)
    return replace(tried, plan=planned, fate=Fate.DOUBTFUL if out else tried.fate, sent_at=0.0, since=0.0)


# Any flight

_HASHES = st.binary(min_size=32, max_size=32)
_FEEDS = st.binary(min_size=32, max_size=32).map(lambda raw: FeedId(raw.hex()))
_NUMBERS = st.integers(0, 2**63 - 1)
_WEI = st.integers(0, 2**256 - 1).map(Wei)
_SHARE = st.integers(0, 2**120).map(Wei)
"""An amount that leaves room to be multiplied by gas."""
_GAS = st.integers(0, 2**40).map(Gas)
_SECONDS = st.floats(0, 2**33)
_PRICES = st.builds(
    Price, st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1), st.integers(-(2**31), 2**31 - 1), _NUMBERS
)
_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    prices = draw(st.dictionaries(_FEEDS, _PRICES, min_size=1, max_size=5))
    return Plan(
        feeds=tuple((feed, draw(st.sampled_from(Reason))) for feed in prices),
        prices=prices,
        blobs=tuple(draw(st.lists(st.binary(max_size=50), max_size=2))),
        shape=PushShape(len(prices), draw(st.integers(0, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 19))),
        gas_limit=draw(_GAS),
        value=draw(_SHARE),
        newest_arrival=draw(_SECONDS),
        complete=draw(st.booleans()),
    )


_ATTEMPTS = st.builds(
    Attempt,
    signed=st.builds(SignedTransaction, st.binary(min_size=1, max_size=200), _HASHES),
    offer=st.builds(GasOffer, _WEI, _WEI, st.booleans()),
    plan=st.none() | plans(),
    fate=st.sampled_from(Fate),
    sent_at=_SECONDS,
    since=_SECONDS,
    since_block=_NUMBERS,
)


@st.composite
def flights(draw: st.DrawFn) -> Flight:
    tried = draw(st.lists(_ATTEMPTS, max_size=3, unique_by=lambda each: each.signed.hash))
    return Flight(
        push=draw(_NUMBERS),
        nonce=draw(_NUMBERS),
        attempts=tuple(tried),
        receipt=draw(st.none() | _receipts([each.signed.hash for each in tried])),
        end=draw(st.none() | st.sampled_from(sorted(ENDED))),
        retries=draw(st.integers(0, 10**6)),
        resume_at=draw(_SECONDS),
        problem=draw(_TEXT),
        hopeless=draw(st.booleans()),
    )


def _receipts(hashes: list[bytes]) -> st.SearchStrategy[Receipt]:
    return st.builds(
        Receipt,
        tx_hash=st.sampled_from(hashes) if hashes else _HASHES,
        block_number=_NUMBERS,
        block_hash=_HASHES,
        succeeded=st.booleans(),
        gas_used=_GAS,
        effective_gas_price=_SHARE,
        l1_fee=_SHARE,
        writes=st.lists(
            st.builds(FeedWrite, _FEEDS, _NUMBERS, st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1)),
            max_size=3,
        ).map(tuple),
    )


notes = st.builds(
    Note,
    at=_SECONDS,
    kind=st.sampled_from(["signed", "sent", "taken", "unanswered", "refused", "mined", "orphaned", "final"]),
    tx_hash=st.none() | _HASHES,
    endpoint=_TEXT,
    detail=_TEXT,
)
