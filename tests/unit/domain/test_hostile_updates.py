"""Bytes from anywhere raise InvalidUpdate and nothing else, and what still decodes makes sense and cannot lie."""

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.accumulator import Update, decode
from keeper.domain.errors import InvalidUpdate
from keeper.domain.vaa import recover_signers
from tests.support.fixtures import genuine_updates
from tests.support.updates import KEYS, TWAP_MESSAGE, Envelope, Quote, build_update

BUILT = build_update(
    [TWAP_MESSAGE, *(Quote(feed_id=f"{number:064x}", price=number).message() for number in range(1, 4))],
    Envelope(keys=KEYS, header_tail=b"grown"),
)


@cache
def sound_updates() -> list[bytes]:
    return [BUILT, *(bytes.fromhex(genuine["hex"]) for genuine in genuine_updates())]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[Update, bytes]:
    """A sound update, and its bytes after a few edits."""
    sound = draw(st.sampled_from(sound_updates()))
    blob = bytearray(sound)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(blob)))
        until = draw(st.sampled_from([at, at, at + 1, at + 1, at + 20, len(blob)]))
        blob[at:until] = draw(st.binary(min_size=until - at, max_size=until - at) | st.binary(max_size=20))
    return decode(sound), bytes(blob)


@st.composite
def resembling(draw: st.DrawFn) -> bytes:
    """Random bytes behind headers that let a decoder get far."""
    tail = draw(st.binary(max_size=3))
    signatures = draw(st.integers(0, 3))
    body = draw(st.binary(min_size=51, max_size=51)) + b"AUWV\x00" + draw(st.binary(min_size=32, max_size=40))
    vaa = b"\x01" + bytes(4) + bytes([signatures]) + draw(st.binary(min_size=66, max_size=66)) * signatures + body
    messages = draw(
        st.lists(st.sampled_from([b"\x00\x55\x00", b"\x00\x01\x01", b"\x00\x56\x00", b"\xff\xff\x00", b"\x00\x00"]))
    )
    rest = b"".join(head + draw(st.binary(min_size=84, max_size=106)) for head in messages)
    head = b"PNAU\x01\x00" + bytes([len(tail)]) + tail + b"\x00" + len(vaa).to_bytes(2, "big")
    return head + vaa + bytes([draw(st.integers(0, 5))]) + rest


def check_consistency(update: Update) -> None:
    """What decoded holds together, and slices to itself."""
    assert update.prices.keys() == update.starts.keys()
    for feed_id, price in update.prices.items():
        assert update.message(feed_id).price == price
        assert decode(update.slice([feed_id])).prices == {feed_id: price}


def signed_prices_survive(blob: bytes) -> Update | None:
    """Do with the bytes all that can be done; the update if it is sound in every respect."""
    try:
        update = decode(blob)
    except InvalidUpdate:
        return None
    check_consistency(update)
    try:
        assert recover_signers(update.vaa()) is not None
        update.prove(update.prices)
    except InvalidUpdate:
        return None
    return update


@given(st.binary(max_size=200) | st.binary(max_size=200).map(b"PNAU\x01\x00\x00".__add__) | resembling())
def test_survives_arbitrary_bytes(blob: bytes) -> None:
    signed_prices_survive(blob)


@settings(max_examples=300)
@given(mutated())
def test_lets_no_mutation_change_a_price_that_is_signed_and_proven(case: tuple[Update, bytes]) -> None:
    sound, blob = case
    update = signed_prices_survive(blob)
    if update is None:
        return
    if recover_signers(update.vaa()) == recover_signers(sound.vaa()):
        assert (update.slot, update.root) == (sound.slot, sound.root)
        assert update.prices.items() <= sound.prices.items()
    else:
        assert update.vaa() != sound.vaa()


@settings(max_examples=300)
@given(st.sampled_from(range(len(BUILT))), st.integers(0, 255))
def test_survives_any_byte_at_any_place(at: int, value: int) -> None:
    signed_prices_survive(BUILT[:at] + bytes([value]) + BUILT[at + 1 :])


def test_finds_nothing_wrong_with_sound_updates() -> None:
    for blob in sound_updates():
        assert signed_prices_survive(blob) is not None
