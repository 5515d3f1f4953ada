"""The signed envelope of an update: header, signatures, body, and the accumulator root it vouches for."""

import struct
from dataclasses import dataclass
from functools import lru_cache

from coincurve import PublicKey
from tiny_keccak import keccak256 as keccak

from keeper.domain.errors import InvalidUpdate
from keeper.domain.merkle import NODE_BYTES

_HEADER = struct.Struct(">BIB")
_SIGNATURE = struct.Struct(">B64sB")
_BODY = struct.Struct(">IIH32sQB")
_PAYLOAD = struct.Struct(f">4sBQI{NODE_BYTES}s")
_PAYLOAD_MAGIC = b"AUWV"
_MERKLE_ROOT = 0
SIGNER_SET_BYTES = 4
_SIGNER_SET = slice(1, 1 + SIGNER_SET_BYTES)
_COUNT_AT = 5
_EMITTER = slice(8, 42)
"""In the body: chain and address."""
_VERSION = 1
_RECOVERY_IDS = (0, 1)
"""The contract adds 27, and ecrecover takes no other."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signer's ECDSA signature over the body."""

    signer_index: int
    compact: bytes
    """r and s, 32 bytes each."""
    recovery_id: int


@dataclass(frozen=True, slots=True)
class Vaa:
    """Fields of a VAA whose payload is an accumulator root."""

    signer_set: int
    signatures: tuple[Signature, ...]
    digest: bytes
    """keccak256(keccak256(body)): what the signers signed."""
    timestamp: int
    emitter_chain: int
    emitter: bytes
    sequence: int
    slot: int
    root: bytes


def slot_and_root(vaa: bytes) -> tuple[int, bytes]:
    """Only what the hot path needs of a VAA: the slot and the Merkle root."""
    try:
        version, _, count = _HEADER.unpack_from(vaa)
        magic, kind, slot, _, root = _PAYLOAD.unpack_from(vaa, _HEADER.size + count * _SIGNATURE.size + _BODY.size)
    except struct.error as exc:
        raise InvalidUpdate("the VAA is cut short") from exc
    if version != _VERSION:
        raise InvalidUpdate(f"VAA version {version} is unknown; expected {_VERSION}")
    if magic != _PAYLOAD_MAGIC or kind != _MERKLE_ROOT:
        raise InvalidUpdate("the VAA does not carry an accumulator root")
    return slot, root


def kind_of(vaa: bytes) -> bytes:
    """The signer set and the emitter of a VAA that `slot_and_root` could read, 38 bytes."""
    body = _HEADER.size + vaa[_COUNT_AT] * _SIGNATURE.size
    return vaa[_SIGNER_SET] + vaa[body + _EMITTER.start : body + _EMITTER.stop]


def decode_vaa(vaa: bytes) -> Vaa:
    """Decode every field; raises InvalidUpdate."""
    slot, root = slot_and_root(vaa)
    _, signer_set, count = _HEADER.unpack_from(vaa)
    signatures = tuple(
        Signature(*_SIGNATURE.unpack_from(vaa, _HEADER.size + i * _SIGNATURE.size)) for i in range(count)
    )
    body = vaa[_HEADER.size + count * _SIGNATURE.size :]
    timestamp, _, chain, emitter, sequence, _ = _BODY.unpack_from(body)
    return Vaa(
        signer_set=signer_set,
        signatures=signatures,
        digest=keccak(keccak(body)),
        timestamp=timestamp,
        emitter_chain=chain,
        emitter=emitter,
        sequence=sequence,
        slot=slot,
        root=root,
    )


def recover_signers(vaa: Vaa) -> dict[int, bytes]:
    """Signer index -> the 20-byte address whose key signed; raises InvalidUpdate for an unusable signature.

    What was recovered lately is remembered, since every network checks the same updates.
    """
    return {signature.signer_index: _recover(signature, vaa.digest) for signature in vaa.signatures}


@lru_cache(maxsize=256)
def _recover(signature: Signature, digest: bytes) -> bytes:
    if signature.recovery_id not in _RECOVERY_IDS:
        raise InvalidUpdate(f"signature {signature.signer_index} has recovery id {signature.recovery_id}, not 0 or 1")
    recoverable = signature.compact + bytes([signature.recovery_id])
    try:
        key = PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except ValueError as exc:
        raise InvalidUpdate(f"signature {signature.signer_index} is not a valid ECDSA signature") from exc
    return keccak(key.format(compressed=False)[1:])[-20:]
