"""The devnet contract refuses every forged, broken or cut update with the error of the real one, and never panics."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.fixtures import genuine_updates
from tests.support.guardians import QUORUM, guardian_terms, price_updates
from tests.support.node import Node
from tests.support.pyth_contract import PythContract, Terms
from tests.support.updates import (
    ADDRESSES,
    TWAP_MESSAGE,
    Envelope,
    Quote,
    assemble,
    build_update,
    merkle_tree,
)

VAA_SIZE_AT = 8
VAA_AT = 10
SIGNATURES_AT = VAA_AT + 6
SIGNATURE_SIZE = 66
SIGNED = Envelope(signer_set=0)
MESSAGE = Quote(feed_id="ab" * 32, price=1).message()
MUTATIONS = 1000


class Genuine:
    """A genuine update of two feeds, and where its parts begin."""

    def __init__(self) -> None:
        self.blob, _ = next(price_updates(4))
        self.body_at = SIGNATURES_AT + QUORUM * SIGNATURE_SIZE
        self.count_at = VAA_AT + int.from_bytes(self.blob[VAA_SIZE_AT:VAA_AT], "big")
        self.message_at = self.count_at + 3
        self.proof_at = self.message_at + 86

    def vaa(self) -> bytes:
        return self.blob[VAA_AT : self.count_at]

    def signatures(self) -> list[bytes]:
        return [
            self.blob[start : start + SIGNATURE_SIZE] for start in range(SIGNATURES_AT, self.body_at, SIGNATURE_SIZE)
        ]

    def flipped(self, at: int) -> bytes:
        """With one bit changed."""
        return self.with_byte(at, self.blob[at] ^ 1)

    def with_byte(self, at: int, value: int) -> bytes:
        return self.blob[:at] + bytes([value]) + self.blob[at + 1 :]

    def with_vaa(self, vaa: bytes) -> bytes:
        return self.blob[:VAA_SIZE_AT] + len(vaa).to_bytes(2, "big") + vaa + self.blob[self.count_at :]

    def signed_by(self, signatures: list[bytes]) -> bytes:
        header = self.vaa()[:5] + bytes([len(signatures)])
        return self.with_vaa(header + b"".join(signatures) + self.blob[self.body_at : self.count_at])


@pytest.fixture
def genuine() -> Genuine:
    return Genuine()


@pytest.fixture
async def guarded(node: Node) -> PythContract:
    """Trusts genuine guardian set 4."""
    return await PythContract.deploy(node, guardian_terms(4))


@pytest.fixture
async def contract(node: Node) -> PythContract:
    """Trusts one devnet key."""
    return await PythContract.deploy(node, Terms(signers=ADDRESSES[:1], quorum=1))


async def test_refuses_a_corrupted_envelope(guarded: PythContract, genuine: Genuine) -> None:
    corrupted = {
        "magic": genuine.flipped(0),
        "major version": genuine.flipped(4),
        "update type": genuine.flipped(7),
        "header longer than the blob": genuine.with_byte(6, 255),
        "bytes after the last message": genuine.blob + b"\0",
        "one message more than there are": genuine.with_byte(genuine.count_at, 3),
        "one message less than there are": genuine.with_byte(genuine.count_at, 1),
        "nothing": b"",
    }
    assert await verdicts(guarded, corrupted) == dict.fromkeys(corrupted, "InvalidUpdateData")


async def test_refuses_corrupted_messages_and_proofs(guarded: PythContract, genuine: Genuine) -> None:
    nodes_at = genuine.proof_at
    corrupted = {
        "message type": genuine.flipped(genuine.message_at),
        "feed id": genuine.flipped(genuine.message_at + 1),
        "price": genuine.flipped(genuine.message_at + 40),
        "last byte": genuine.flipped(genuine.message_at + 84),
        "first node": genuine.flipped(nodes_at),
        "last node": genuine.flipped(len(genuine.blob) - 1),
        "no node": genuine.blob[: nodes_at - 1] + b"\0" + genuine.blob[nodes_at + 200 :],
    }
    assert await verdicts(guarded, corrupted) == dict.fromkeys(corrupted, "InvalidUpdateData")


async def test_refuses_a_corrupted_vaa(guarded: PythContract, genuine: Genuine) -> None:
    corrupted = {
        "version": genuine.flipped(VAA_AT),
        "signer set": genuine.flipped(VAA_AT + 4),
        "signature r": genuine.flipped(SIGNATURES_AT + 1),
        "signature s": genuine.flipped(SIGNATURES_AT + 33),
        "signature v": genuine.flipped(SIGNATURES_AT + 65),
        "timestamp": genuine.flipped(genuine.body_at),
        "emitter": genuine.flipped(genuine.body_at + 10),
        "root": genuine.flipped(genuine.count_at - 1),
        "grown by a byte": genuine.with_vaa(genuine.vaa() + b"\0"),
        "empty": genuine.with_vaa(b""),
    }
    assert await verdicts(guarded, corrupted) == dict.fromkeys(corrupted, "InvalidWormholeVaa")


async def test_refuses_signatures_that_are_no_quorum_of_different_signers(
    guarded: PythContract, genuine: Genuine
) -> None:
    first, second, *others = genuine.signatures()
    nobody = bytes([200]) + first[1:]
    corrupted = {
        "one less than the quorum": genuine.signed_by([second, *others]),
        "one signer twice": genuine.signed_by([first, first, *others]),
        "indices that descend": genuine.signed_by([second, first, *others]),
        "an index beyond the set": genuine.signed_by([second, *others, nobody]),
        "a false one beyond the quorum": genuine.signed_by([first, second, *others, nobody]),
        "the empty signature of an empty seat": genuine.signed_by([second, *others, bytes([200]) + bytes(65)]),
        "the empty signature of the unknown guardian": genuine.signed_by(
            sorted([second, *others, bytes([5]) + bytes(65)])
        ),
        "none": genuine.signed_by([]),
    }
    assert await verdicts(guarded, corrupted) == dict.fromkeys(corrupted, "InvalidWormholeVaa")


async def test_refuses_every_value_of_v_but_the_right_one(guarded: PythContract, genuine: Genuine) -> None:
    at = SIGNATURES_AT + SIGNATURE_SIZE - 1
    refusals = await guarded.refusals([genuine.with_byte(at, v) for v in range(256)])
    assert refusals.pop(genuine.blob[at]) == ""
    assert set(refusals) == {"InvalidWormholeVaa"}


async def test_refuses_an_update_cut_at_any_byte(guarded: PythContract, genuine: Genuine) -> None:
    refusals = await guarded.refusals([genuine.blob[:size] for size in range(len(genuine.blob))])
    assert set(refusals) == {"InvalidUpdateData"}


async def test_refuses_a_vaa_cut_at_any_byte(guarded: PythContract, genuine: Genuine) -> None:
    vaa = genuine.vaa()
    refusals = await guarded.refusals([genuine.with_vaa(vaa[:size]) for size in range(len(vaa))])
    assert set(refusals) == {"InvalidWormholeVaa"}


async def test_refuses_a_proven_message_cut_at_any_byte(contract: PythContract) -> None:
    blobs = [build_update([MESSAGE[:size]], SIGNED) for size in range(len(MESSAGE))]
    assert set(await contract.refusals(blobs)) == {"InvalidUpdateData"}


async def test_refuses_a_signed_payload_that_is_no_merkle_root(contract: PythContract) -> None:
    root, _ = merkle_tree([MESSAGE])
    foreign = {
        "magic": build_update([MESSAGE], replace(SIGNED, payload_magic=b"AUWW")),
        "type": build_update([MESSAGE], replace(SIGNED, payload_kind=1)),
    }
    whole = assemble(SIGNED, SIGNED.vaa(root), [(MESSAGE, [])])
    cut = {f"root of {size} bytes": assemble(SIGNED, SIGNED.vaa(root[:size]), []) for size in range(20)}
    expected = {**dict.fromkeys([*foreign, *cut], "InvalidUpdateData"), "whole": ""}
    assert await verdicts(contract, {**foreign, **cut, "whole": whole}) == expected


async def test_refuses_a_proven_twap_message_among_prices(contract: PythContract) -> None:
    assert await contract.refusals([build_update([MESSAGE, TWAP_MESSAGE], SIGNED)]) == ["InvalidUpdateData"]


async def test_accepts_formats_that_grew_at_their_ends(contract: PythContract) -> None:
    quote = Quote(feed_id="cd" * 32, price=5)
    grown = [
        build_update([MESSAGE], replace(SIGNED, minor=9)),
        build_update([MESSAGE], replace(SIGNED, header_tail=bytes(255))),
        build_update([MESSAGE], replace(SIGNED, payload_tail=b"more")),
        build_update([quote.message(tail=b"more"), MESSAGE], SIGNED),
    ]
    assert await contract.refusals(grown) == [""] * len(grown)


async def test_never_panics_whatever_is_changed(guarded: PythContract) -> None:
    dice = random.Random(4)  # noqa: S311  the same mutants every time
    refusals = set(await guarded.refusals(list(mutants(dice))))
    assert {"InvalidUpdateData", "InvalidWormholeVaa"} <= refusals
    assert refusals <= {"", "InvalidUpdateData", "InvalidWormholeVaa"}


def mutants(dice: random.Random) -> Iterator[bytes]:
    """Genuine updates with bytes changed, doubled, removed or moved."""
    genuine = [bytes.fromhex(update["hex"]) for update in genuine_updates()]
    for _ in range(MUTATIONS):
        blob = bytearray(dice.choice(genuine))
        for _ in range(dice.choice([1, 1, 2, 8])):
            at, size = dice.randrange(len(blob)), dice.choice([1, 2, 20, 66])
            match dice.randrange(4):
                case 0:
                    blob[at] = dice.randrange(256)
                case 1:
                    blob[at:at] = blob[at : at + size]
                case 2:
                    blob[at] = dice.choice([0, 0x7F, 0x80, 0xFF])
                case _ if len(blob) > size + at:
                    del blob[at : at + size]
        yield bytes(blob)


async def verdicts(contract: PythContract, blobs: dict[str, bytes]) -> dict[str, str]:
    """What the contract says of each blob, by the blob's name."""
    return dict(zip(blobs, await contract.refusals(list(blobs.values())), strict=True))
