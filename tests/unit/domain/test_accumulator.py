"""Updates decode to what an independent decoder read, slice to any subset, and prove."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.accumulator import PriceMessage, Update, decode
from keeper.domain.errors import InvalidUpdate
from keeper.domain.price import Price
from keeper.domain.units import FeedId
from tests.support.fixtures import genuine_updates
from tests.support.updates import PLAIN, TWAP_MESSAGE, Envelope, Quote, assemble, build_update, merkle_tree


def feed(number: int) -> FeedId:
    return FeedId(f"{number:064x}")


QUOTES = [Quote(feed_id=feed(n), price=1000 + n, conf=n, publish_time=1_700_000_000 + n) for n in range(1, 6)]
PRICES = {FeedId(q.feed_id): Price(q.price, q.conf, q.expo, q.publish_time) for q in QUOTES}
MESSAGES = [quote.message() for quote in QUOTES]


def blob_of(genuine: dict[str, Any]) -> bytes:
    return bytes.fromhex(genuine["hex"])


def price_messages(genuine: dict[str, Any]) -> list[dict[str, Any]]:
    return [message for message in genuine["messages"] if message["kind"] == "price_feed"]


def genuine_price_updates() -> list[Update]:
    return [decode(blob_of(genuine)) for genuine in genuine_updates() if price_messages(genuine)]


def test_reads_every_field_of_genuine_updates() -> None:
    for genuine in genuine_updates():
        update = decode(blob_of(genuine))
        assert (update.slot, update.root.hex()) == (genuine["slot"], genuine["root"])
        assert list(update.prices) == [message["feed_id"] for message in price_messages(genuine)]
        for message in price_messages(genuine):
            price = Price(int(message["price"]), int(message["conf"]), message["expo"], message["publish_time"])
            assert update.prices[message["feed_id"]] == price
            assert update.message(message["feed_id"]) == PriceMessage(
                feed_id=message["feed_id"],
                price=price,
                prev_publish_time=message["prev_publish_time"],
                ema_price=int(message["ema_price"]),
                ema_conf=int(message["ema_conf"]),
            )


def test_reads_extreme_fields_with_their_signs() -> None:
    extremes = Quote(
        feed_id="ff" * 32,
        price=-(2**63),
        conf=2**64 - 1,
        expo=-(2**31),
        publish_time=2**63 - 1,
        prev_publish_time=-1,
        ema_price=-2,
        ema_conf=2**63,
    )
    feed_id = FeedId(extremes.feed_id)
    price = Price(-(2**63), 2**64 - 1, -(2**31), 2**63 - 1)
    update = decode(build_update([extremes.message()], replace(PLAIN, slot=2**64 - 1)))
    assert update.slot == 2**64 - 1
    assert update.prices == {feed_id: price}
    assert update.message(feed_id) == PriceMessage(feed_id, price, -1, -2, 2**63)


def test_proves_genuine_updates() -> None:
    for update in genuine_price_updates():
        update.prove(update.prices)


def test_finds_no_price_in_a_genuine_twap_update() -> None:
    twaps = [genuine for genuine in genuine_updates() if not price_messages(genuine)]
    assert twaps
    for genuine in twaps:
        assert decode(blob_of(genuine)).prices == {}


def test_is_its_own_slice_of_all_its_feeds() -> None:
    for update in genuine_price_updates():
        assert update.slice(update.prices) == update.blob


@given(data=st.data())
def test_slices_a_genuine_update_to_any_feeds_in_any_order(data: st.DataObject) -> None:
    update = data.draw(st.sampled_from(genuine_price_updates()))
    wanted = data.draw(st.lists(st.sampled_from(list(update.prices)), min_size=1, unique=True))
    part = decode(update.slice(wanted))
    assert list(part.prices) == wanted
    assert part.prices == {feed_id: update.prices[feed_id] for feed_id in wanted}
    assert [part.message(feed_id) for feed_id in wanted] == [update.message(feed_id) for feed_id in wanted]
    assert part.vaa() == update.vaa()
    part.prove(wanted)


@given(order=st.permutations(list(PRICES)), cut=st.integers(1, len(PRICES)))
def test_slices_a_slice_as_it_slices_the_whole(order: list[FeedId], cut: int) -> None:
    update = decode(build_update(MESSAGES))
    assert decode(update.slice(order)).slice(order[:cut]) == update.slice(order[:cut])


def test_slices_to_exactly_the_bytes_of_the_chosen_message() -> None:
    root, proofs = merkle_tree(MESSAGES)
    vaa = PLAIN.vaa(root)
    whole = decode(assemble(PLAIN, vaa, list(zip(MESSAGES, proofs, strict=True))))
    assert whole.slice([feed(4)]) == assemble(PLAIN, vaa, [(MESSAGES[3], proofs[3])])


@pytest.mark.parametrize("count", [0, 256])
def test_refuses_a_slice_that_no_update_can_hold(count: int) -> None:
    with pytest.raises(ValueError, match=f"not {count}"):
        decode(build_update(MESSAGES)).slice([feed(1)] * count)


def test_does_not_slice_out_a_feed_it_does_not_hold() -> None:
    with pytest.raises(KeyError):
        decode(build_update(MESSAGES)).slice([feed(1), feed(99)])


def test_holds_255_feeds() -> None:
    quotes = [Quote(feed_id=feed(number), price=number) for number in range(255)]
    update = decode(build_update([quote.message() for quote in quotes]))
    assert {feed_id: price.price for feed_id, price in update.prices.items()} == {feed(n): n for n in range(255)}
    assert update.slice(update.prices) == update.blob
    update.prove(update.prices)


@given(
    header_tail=st.binary(max_size=255),
    minor=st.integers(0, 255),
    message_tail=st.binary(max_size=300),
    payload_tail=st.binary(max_size=100),
)
def test_tolerates_growth_and_keeps_it_in_slices(
    header_tail: bytes, minor: int, message_tail: bytes, payload_tail: bytes
) -> None:
    grown = Envelope(minor=minor, header_tail=header_tail, payload_tail=payload_tail)
    messages = [quote.message(message_tail) for quote in QUOTES]
    update = decode(build_update(messages, grown))
    assert update.prices == PRICES
    update.prove(update.prices)
    part = decode(update.slice([feed(5), feed(2)]))
    assert list(part.prices.values()) == [PRICES[feed(5)], PRICES[feed(2)]]
    part.prove(part.prices)
    assert part.blob.startswith(update.blob[: update.messages_start])


@given(places=st.lists(st.integers(0, len(MESSAGES)), max_size=4))
def test_passes_over_twap_messages_wherever_they_stand(places: list[int]) -> None:
    messages = list(MESSAGES)
    for place in places:
        messages.insert(place, TWAP_MESSAGE)
    update = decode(build_update(messages))
    assert update.prices == PRICES
    update.prove(update.prices)
    assert TWAP_MESSAGE not in update.slice(update.prices)


@pytest.mark.parametrize("newest_first", [True, False])
def test_keeps_the_newest_of_two_messages_of_one_feed(newest_first: bool) -> None:  # noqa: FBT001
    newest = replace(QUOTES[0], price=7, publish_time=QUOTES[0].publish_time + 1)
    both = [newest.message(), MESSAGES[0]] if newest_first else [MESSAGES[0], newest.message()]
    update = decode(build_update([*both, MESSAGES[1]]))
    assert update.prices[feed(1)].price == 7
    part = decode(update.slice([feed(1)]))
    assert part.prices == {feed(1): update.prices[feed(1)]}
    part.prove([feed(1)])


def test_keeps_the_first_of_two_messages_with_one_publish_time_as_the_contract_does() -> None:
    rival = replace(QUOTES[0], price=7)
    update = decode(build_update([MESSAGES[0], rival.message()]))
    assert update.prices == {feed(1): PRICES[feed(1)]}


def test_refuses_every_truncation() -> None:
    for blob in [build_update([*MESSAGES, TWAP_MESSAGE]), blob_of(genuine_updates()[0])]:
        for length in range(len(blob)):
            with pytest.raises(InvalidUpdate):
                decode(blob[:length])


def test_refuses_bytes_after_the_last_message() -> None:
    with pytest.raises(InvalidUpdate, match="bytes follow"):
        decode(build_update(MESSAGES) + b"\x00")


@pytest.mark.parametrize(
    ("envelope", "complaint"),
    [
        (Envelope(magic=b"PNAV"), "PNAU"),
        (Envelope(major=0), "major version 0"),
        (Envelope(major=2), "major version 2"),
        (Envelope(kind=1), "type 1"),
        (Envelope(vaa_version=2), "VAA version 2"),
        (Envelope(payload_magic=b"AUWW"), "accumulator root"),
        (Envelope(payload_kind=1), "accumulator root"),
    ],
)
def test_refuses_an_envelope_it_does_not_know(envelope: Envelope, complaint: str) -> None:
    with pytest.raises(InvalidUpdate, match=complaint):
        decode(build_update(MESSAGES, envelope))


@pytest.mark.parametrize(
    ("message", "complaint"), [(b"", "empty"), (MESSAGES[0][:-1], "84 bytes"), (MESSAGES[0][:1], "1 bytes")]
)
def test_refuses_a_price_message_that_is_too_short(message: bytes, complaint: str) -> None:
    with pytest.raises(InvalidUpdate, match=complaint):
        decode(build_update([message, *MESSAGES]))


def test_refuses_a_vaa_that_ends_before_its_root_does() -> None:
    root, proofs = merkle_tree(MESSAGES)
    with pytest.raises(InvalidUpdate, match="VAA is cut short"):
        decode(assemble(PLAIN, PLAIN.vaa(root)[:-1], list(zip(MESSAGES, proofs, strict=True))))


@given(data=st.data())
def test_proves_no_feed_whose_message_or_proof_was_touched(data: st.DataObject) -> None:
    update = decode(build_update(MESSAGES))
    span = update.span(feed(2))
    feed_id_ends = span.start + 2 + 33
    touchable = [at for at in range(feed_id_ends, span.end) if at != span.message_end]
    at = data.draw(st.sampled_from(touchable))
    touched = bytearray(update.blob)
    touched[at] ^= data.draw(st.integers(1, 255))
    forged = decode(bytes(touched))
    forged.prove([feed(1), feed(3)])
    with pytest.raises(InvalidUpdate, match=feed(2)):
        forged.prove([feed(1), feed(2)])


@pytest.mark.parametrize("at", range(20))
def test_proves_nothing_under_a_root_that_differs_in_any_byte(at: int) -> None:
    root, proofs = merkle_tree(MESSAGES)
    other = root[:at] + bytes([root[at] ^ 1]) + root[at + 1 :]
    update = decode(assemble(PLAIN, PLAIN.vaa(other), list(zip(MESSAGES, proofs, strict=True))))
    for feed_id in update.prices:
        with pytest.raises(InvalidUpdate, match=feed_id):
            update.prove([feed_id])


@pytest.mark.parametrize("signers", [0, 1, 3])
def test_counts_the_signatures(signers: int) -> None:
    envelope = Envelope(keys=[bytes([n + 1]) * 32 for n in range(signers)], header_tail=b"grown")
    assert decode(build_update(MESSAGES, envelope)).signature_count == signers
