"""Signatures are checked as the contract does, and each envelope once."""

from dataclasses import replace

import pytest

from keeper.domain.accumulator import Update, decode
from keeper.domain.errors import InvalidUpdate
from keeper.domain.signers import SignerCheck, SignerSet, majority
from tests.support.guardians import guardian_terms, price_updates
from tests.support.market import FEEDS
from tests.support.updates import ADDRESSES, KEYS, PLAIN, Envelope, Quote, build_update

NOBODY = bytes(20)


def update(envelope: Envelope = PLAIN) -> Update:
    return decode(build_update([Quote(feed_id=FEEDS[0], price=1).message()], envelope))


def check(signed: Update, signers: tuple[bytes, ...], quorum: int) -> None:
    SignerCheck(SignerSet(signers, quorum)).check(signed)


def test_enough_known_signers_will_do() -> None:
    check(update(replace(PLAIN, keys=KEYS[:2])), ADDRESSES, 2)


@pytest.mark.parametrize(
    ("signers", "quorum", "words"),
    [
        (ADDRESSES[1:2], 1, "signature 0 is not by a signer"),
        ((NOBODY,), 1, "signature 0 is not by a signer"),
        ((), 1, "signature 0 is not by a signer"),
        (ADDRESSES, 2, "1 signatures, and 2 are wanted"),
    ],
)
def test_strangers_empty_seats_and_too_few_will_not(signers: tuple[bytes, ...], quorum: int, words: str) -> None:
    with pytest.raises(InvalidUpdate, match=words):
        check(update(), signers, quorum)


def test_one_signer_does_not_count_twice() -> None:
    good = update(replace(PLAIN, keys=KEYS[:2]))
    first = good.vaa_start + 6
    blob = bytearray(good.blob)
    blob[first + 66 : first + 132] = blob[first : first + 66]
    with pytest.raises(InvalidUpdate, match="comes twice"):
        check(decode(bytes(blob)), ADDRESSES, 2)


def test_one_more_signature_by_a_stranger_spoils_it() -> None:
    with pytest.raises(InvalidUpdate, match="signature 1"):
        check(update(replace(PLAIN, keys=KEYS[:2])), ADDRESSES[:1], 1)


def test_genuine_updates_are_signed_by_their_guardians() -> None:
    set_index = 4
    terms = guardian_terms(set_index)
    signers = SignerSet(tuple(bytes.fromhex(str(signer)[2:]) for signer in terms.signers), terms.quorum)
    blobs = [blob for blob, _ in price_updates(set_index)]
    assert blobs
    for blob in blobs:
        SignerCheck(signers).check(decode(blob))


def test_a_majority_is_more_than_half() -> None:
    assert [majority([NOBODY] * count) for count in (1, 2, 3, 5, 19)] == [1, 2, 2, 3, 10]


def test_the_kind_of_an_envelope_is_its_signer_set_and_emitter() -> None:
    assert update().envelope == (7).to_bytes(4, "big") + (26).to_bytes(2, "big") + update().vaa().emitter
    assert update(replace(PLAIN, keys=KEYS, slot=5)).envelope == update().envelope
    assert update(replace(PLAIN, signer_set=8)).envelope != update().envelope
