"""The simulator's updates are genuine in format, proven and signed, as an independent reader sees it."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import UsageError
from keeper.domain.units import FeedId
from keeper.lab.hermes.merkle import DEPTH
from keeper.lab.hermes.signers import DEVNET_SIGNER_KEY, SignerSet, devnet_signer_keys, read_signer_keys
from keeper.lab.hermes.updates import PYTHNET, Emitter, PriceMessage, SignedSlot
from tests.support.fixtures import genuine_updates
from tests.support.pnau import read_pnau

SIGNED_64 = st.integers(-(2**63), 2**63 - 1)
UNSIGNED_64 = st.integers(0, 2**64 - 1)

MESSAGES = st.builds(
    PriceMessage,
    feed_id=st.binary(min_size=32, max_size=32).map(lambda raw: FeedId(raw.hex())),
    price=SIGNED_64,
    conf=UNSIGNED_64,
    expo=st.integers(-(2**31), 2**31 - 1),
    publish_time=SIGNED_64,
    prev_publish_time=SIGNED_64,
    ema_price=SIGNED_64,
    ema_conf=UNSIGNED_64,
)
ONE_KEY = SignerSet([DEVNET_SIGNER_KEY])
PLAIN = PriceMessage(FeedId("11" * 32), 100, 1, -8, 1_700_000_000, 1_699_999_999, 101, 2)


def slot_of(messages: list[PriceMessage], signers: SignerSet = ONE_KEY, emitter: Emitter = PYTHNET) -> SignedSlot:
    return SignedSlot(7, messages, timestamp=1_700_000_001, signers=signers, emitter=emitter)


def test_independent_reader_agrees_with_genuine_updates() -> None:
    for update in genuine_updates():
        pnau = read_pnau(bytes.fromhex(update["hex"]))
        assert {str(index): signer for index, signer in pnau.signers().items()} == update["signers"]
        assert (pnau.slot, pnau.root.hex(), pnau.timestamp) == (update["slot"], update["root"], update["timestamp"])
        assert pnau.is_proven == update["valid_merkle"]


@given(st.data(), st.lists(MESSAGES, min_size=1, max_size=40))
def test_any_choice_of_messages_is_proven_and_reads_back(data: st.DataObject, messages: list[PriceMessage]) -> None:
    indexes = data.draw(st.lists(st.integers(0, len(messages) - 1), min_size=1, max_size=20))
    (blob,) = slot_of(messages).updates(indexes)
    pnau = read_pnau(blob)
    assert pnau.is_proven
    assert pnau.prices() == [asdict(messages[index]) for index in indexes]


def test_all_choices_of_one_slot_share_one_signed_root() -> None:
    slot = slot_of([replace(PLAIN, price=price) for price in range(5)])
    bodies = {read_pnau(slot.updates([index])[0]).body for index in range(5)}
    assert len(bodies) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 2000])
def test_proofs_are_as_long_as_on_mainnet_however_few_the_feeds(count: int) -> None:
    slot = slot_of([replace(PLAIN, price=price) for price in range(count)])
    (blob,) = slot.updates([count - 1])
    pnau = read_pnau(blob)
    assert [len(proof) for _, proof in pnau.messages] == [DEPTH]
    assert pnau.is_proven


def test_more_than_255_messages_take_several_elements_in_order() -> None:
    slot = slot_of([replace(PLAIN, price=price) for price in range(600)])
    updates = [read_pnau(blob) for blob in slot.updates(range(600))]
    assert [len(update.messages) for update in updates] == [255, 255, 90]
    assert [price["price"] for update in updates for price in update.prices()] == list(range(600))
    assert all(update.is_proven for update in updates)


@given(st.integers(1, 19), st.data(), st.integers(0, 2**40))
def test_signatures_recover_to_the_signers_by_ascending_index(count: int, data: st.DataObject, number: int) -> None:
    quorum = data.draw(st.integers(1, count))
    signers = SignerSet(devnet_signer_keys(count), quorum=quorum, set_index=4)
    slot = SignedSlot(number, [PLAIN], timestamp=1, signers=signers, emitter=PYTHNET)
    pnau = read_pnau(slot.updates([0])[0])
    recovered = pnau.signers()
    assert len(pnau.signatures) == len(recovered) == quorum
    assert list(recovered) == sorted(recovered)
    assert all(signers.addresses[index] == address for index, address in recovered.items())
    assert pnau.signer_set == 4


def test_signers_take_turns() -> None:
    signers = SignerSet(devnet_signer_keys(3), quorum=2)
    slots = [SignedSlot(number, [PLAIN], timestamp=1, signers=signers, emitter=PYTHNET) for number in range(3)]
    assert [list(read_pnau(slot.updates([0])[0]).signers()) for slot in slots] == [[0, 1], [1, 2], [0, 2]]


def test_names_slot_time_and_emitter() -> None:
    pnau = read_pnau(slot_of([PLAIN], emitter=Emitter(1, bytes(31) + b"\x05")).updates([0])[0])
    assert (pnau.slot, pnau.timestamp, pnau.emitter) == (7, 1_700_000_001, (1, bytes(31) + b"\x05"))
    assert read_pnau(slot_of([PLAIN]).updates([0])[0]).emitter == (
        26,
        bytes.fromhex("e101faedac5851e32b9b23b5f9411a8c2bac4aae3ed4dd7b811dd1a72ea4aa71"),
    )


@pytest.mark.parametrize(
    ("keys", "quorum", "complaint"),
    [
        ((), None, "0 signers"),
        (devnet_signer_keys(256), None, "256 signers"),
        (devnet_signer_keys(1) * 2, None, "equal"),
        (devnet_signer_keys(3), 0, "quorum"),
        (devnet_signer_keys(3), 4, "quorum"),
        ((bytes(32),), None, "signer 0"),
    ],
)
def test_refuses_signers_that_cannot_sign(keys: tuple[bytes, ...], quorum: int | None, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        SignerSet(keys, quorum=quorum)


def test_reads_signer_keys_in_order(tmp_path: Path) -> None:
    first, second = devnet_signer_keys(2)
    file = tmp_path / "keys"
    file.write_text(f"# devnet\n0x{first.hex()}\n\n{second.hex()}  # the second\n")
    assert read_signer_keys(file) == (first, second)


def test_a_bad_signer_key_is_named_by_its_line_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    for bad in ("c0ffee", "not hex"):
        file.write_text(f"{DEVNET_SIGNER_KEY.hex()}\n{bad}\n")
        with pytest.raises(UsageError, match="line 2") as refused:
            read_signer_keys(file)
        assert bad not in str(refused.value)
    with pytest.raises(UsageError, match="nowhere"):
        read_signer_keys(tmp_path / "nowhere")
