"""The signers of the devnet's updates. Their keys are public: worthless anywhere else."""

import struct
from collections.abc import Sequence
from pathlib import Path

from coincurve import PrivateKey
from eth_utils.address import to_checksum_address
from tiny_keccak import keccak256 as keccak

from keeper.domain.errors import UsageError

MAX_SIGNERS = 255
"""A VAA counts its signatures, and names each signer, in one byte."""

_VAA_HEADER = struct.Struct(">BIB")
_VAA_VERSION = 1


def devnet_signer_keys(count: int) -> tuple[bytes, ...]:
    """The first `count` devnet keys: key i is keccak256("devnet signer i"), known to everyone."""
    return tuple(keccak(f"devnet signer {index}".encode()) for index in range(count))


DEVNET_SIGNER_KEY = devnet_signer_keys(1)[0]
"""The key that signs by default. Public: never let a contract of any value trust it."""


def impostor_keys(count: int) -> tuple[bytes, ...]:
    """Keys that no contract trusts, to forge signatures with."""
    return tuple(keccak(f"devnet impostor {index}".encode()) for index in range(count))


class SignerSet:
    """Keys by index, of which `quorum` sign each update, taking turns."""

    def __init__(self, keys: Sequence[bytes], *, quorum: int | None = None, set_index: int = 0) -> None:
        """Quorum defaults to all keys. Raises UsageError for keys or a quorum that cannot sign."""
        if not 1 <= len(keys) <= MAX_SIGNERS:
            raise UsageError(f"{len(keys)} signers: give 1 to {MAX_SIGNERS}")
        if len(set(keys)) < len(keys):
            raise UsageError("two signer keys are equal: each signer needs a key of its own")
        self.quorum = len(keys) if quorum is None else quorum
        if not 1 <= self.quorum <= len(keys):
            raise UsageError(f"a quorum of {self.quorum} out of {len(keys)} signers: give 1 to {len(keys)}")
        self.keys = tuple(keys)
        self.set_index = set_index
        self._keys = [_private_key(index, key) for index, key in enumerate(keys)]
        self.addresses = tuple(_address(key) for key in self._keys)

    def sign(self, body: bytes, *, turn: int) -> bytes:
        """A VAA over the body, signed by `quorum` signers from index `turn` on, indices ascending."""
        digest = keccak(keccak(body))
        indices = sorted((turn + offset) % len(self._keys) for offset in range(self.quorum))
        header = _VAA_HEADER.pack(_VAA_VERSION, self.set_index, self.quorum)
        return b"".join([header, *(self._signature(index, digest) for index in indices), body])

    def _signature(self, index: int, digest: bytes) -> bytes:
        """Signer index, r, s and the recovery id: 66 bytes."""
        return bytes([index]) + self._keys[index].sign_recoverable(digest, hasher=None)


def read_signer_keys(path: Path) -> tuple[bytes, ...]:
    """Signer keys from a file, one hex key a line in the order of their indices; # starts a comment.

    Raises UsageError naming the line, never its content.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"cannot read the signer keys in {path}: {exc.__class__.__name__}") from exc
    keys = []
    for number, line in enumerate(lines, start=1):
        digits = line.partition("#")[0].strip().removeprefix("0x")
        if digits:
            keys.append(_key_bytes(digits, where=f"{path}, line {number}"))
    return tuple(keys)


def _key_bytes(digits: str, *, where: str) -> bytes:
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise UsageError(f"{where}: not a private key of 64 hex digits")
    return key


def _private_key(index: int, key: bytes) -> PrivateKey:
    try:
        return PrivateKey(key)
    except ValueError as exc:
        raise UsageError(f"the key of signer {index} is not a secp256k1 private key") from exc


def _address(key: PrivateKey) -> str:
    return to_checksum_address(keccak(key.public_key.format(compressed=False)[1:])[-20:])
