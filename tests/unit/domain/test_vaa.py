"""The signed envelope: every field, and who signed it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.accumulator import decode
from keeper.domain.errors import InvalidUpdate
from keeper.domain.vaa import Vaa, decode_vaa, recover_signers, slot_and_root
from tests.support.fixtures import genuine_updates, guardian_sets
from tests.support.updates import ADDRESSES, KEYS, PYTHNET, PYTHNET_EMITTER, Envelope, keccak256

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ROOT = bytes(range(20))
VAA = Envelope(keys=KEYS).vaa(ROOT)
BODY_START = 6 + 66 * len(KEYS)


def with_signature(vaa: Vaa, *, compact: bytes | None = None, recovery_id: int | None = None) -> Vaa:
    """The same envelope with its first signature altered."""
    first = vaa.signatures[0]
    first = replace(
        first,
        compact=first.compact if compact is None else compact,
        recovery_id=first.recovery_id if recovery_id is None else recovery_id,
    )
    return replace(vaa, signatures=(first, *vaa.signatures[1:]))


def test_reads_every_field_of_genuine_envelopes() -> None:
    for genuine in genuine_updates():
        vaa = decode(bytes.fromhex(genuine["hex"])).vaa()
        assert vaa.signer_set == genuine["guardian_set"]
        assert vaa.timestamp == genuine["timestamp"]
        assert vaa.emitter_chain == genuine["emitter_chain"]
        assert vaa.emitter.hex() == genuine["emitter"]
        assert vaa.sequence == genuine["sequence"]
        assert vaa.slot == genuine["slot"]
        assert vaa.root.hex() == genuine["root"]
        assert [str(signature.signer_index) for signature in vaa.signatures] == list(genuine["signers"])


def test_recovers_the_guardians_who_signed_genuine_updates() -> None:
    for genuine in genuine_updates():
        signers = recover_signers(decode(bytes.fromhex(genuine["hex"])).vaa())
        expected = {int(i): bytes.fromhex(address[2:]) for i, address in genuine["signers"].items()}
        assert signers == expected
        guardians = guardian_sets()[str(genuine["guardian_set"])]
        assert all(signers[int(i)] == bytes.fromhex(guardians[i][2:]) for i in genuine["signers"])


def test_reads_every_field_of_a_built_envelope() -> None:
    vaa = decode_vaa(Envelope(keys=KEYS, signer_set=2**32 - 1, timestamp=5, sequence=2**64 - 1, slot=9).vaa(ROOT))
    assert (vaa.signer_set, vaa.timestamp, vaa.sequence, vaa.slot) == (2**32 - 1, 5, 2**64 - 1, 9)
    assert (vaa.emitter_chain, vaa.emitter, vaa.root) == (PYTHNET, PYTHNET_EMITTER, ROOT)


def test_recovers_addresses_that_the_world_knows() -> None:
    assert recover_signers(decode_vaa(VAA)) == dict(enumerate(ADDRESSES))


def test_hashes_the_body_twice() -> None:
    assert decode_vaa(VAA).digest == keccak256(keccak256(VAA[BODY_START:]))


@given(at=st.integers(BODY_START, len(VAA) - 1), change=st.integers(1, 255))
def test_recovers_none_of_the_signers_once_the_body_is_touched(at: int, change: int) -> None:
    touched = bytearray(VAA)
    touched[at] ^= change
    try:
        signers = recover_signers(decode_vaa(bytes(touched)))
    except InvalidUpdate:
        return
    assert not set(signers.values()) & set(ADDRESSES)


def test_tolerates_a_payload_that_grew() -> None:
    vaa = decode_vaa(Envelope(payload_tail=b"more").vaa(ROOT))
    assert vaa.root == ROOT
    assert recover_signers(vaa) == {0: ADDRESSES[0]}


def test_refuses_every_truncation() -> None:
    for length in range(len(VAA)):
        with pytest.raises(InvalidUpdate):
            decode_vaa(VAA[:length])


@pytest.mark.parametrize(
    ("envelope", "complaint"),
    [
        (Envelope(vaa_version=0), "VAA version 0"),
        (Envelope(payload_magic=b"auwv"), "accumulator root"),
        (Envelope(payload_kind=1), "accumulator root"),
    ],
)
def test_refuses_an_envelope_that_vouches_for_no_root(envelope: Envelope, complaint: str) -> None:
    with pytest.raises(InvalidUpdate, match=complaint):
        slot_and_root(envelope.vaa(ROOT))


@given(recovery_id=st.integers(0, 255))
def test_takes_the_recovery_ids_that_the_contract_takes(recovery_id: int) -> None:
    vaa = with_signature(decode_vaa(VAA), recovery_id=recovery_id)
    if recovery_id in {0, 1}:
        good = recovery_id == decode_vaa(VAA).signatures[0].recovery_id
        assert (recover_signers(vaa)[0] == ADDRESSES[0]) is good
    else:
        with pytest.raises(InvalidUpdate, match=f"signature 0 has recovery id {recovery_id}"):
            recover_signers(vaa)


def test_takes_the_mirrored_signature_as_the_contract_does() -> None:
    vaa = decode_vaa(VAA)
    first = vaa.signatures[0]
    mirrored = (CURVE_ORDER - int.from_bytes(first.compact[32:], "big")).to_bytes(32, "big")
    altered = with_signature(vaa, compact=first.compact[:32] + mirrored, recovery_id=1 - first.recovery_id)
    assert recover_signers(altered)[0] == ADDRESSES[0]


@pytest.mark.parametrize("compact", [bytes(64), b"\xff" * 64, bytes(32) + b"\x01" * 32, b"\x01" * 32 + bytes(32)])
def test_refuses_a_signature_that_is_none(compact: bytes) -> None:
    with pytest.raises(InvalidUpdate, match="signature 0 is not a valid"):
        recover_signers(with_signature(decode_vaa(VAA), compact=compact))


def test_recovers_nobody_from_an_envelope_without_signatures() -> None:
    assert recover_signers(decode_vaa(Envelope(keys=()).vaa(ROOT))) == {}
