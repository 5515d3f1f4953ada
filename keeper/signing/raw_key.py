"""The signer that holds a private key in memory: our own encoding, libsecp256k1 for the curve."""

import rlp
from coincurve import PrivateKey
from eth_utils.address import to_checksum_address
from tiny_keccak import keccak256 as keccak

from keeper.domain.errors import UsageError
from keeper.domain.transaction import SignedTransaction, Transaction

_KEY_BYTES = 32
_DYNAMIC_FEE = b"\x02"
"""The type byte of an EIP-1559 transaction."""


class RawKeySigner:
    """Signs with a key in memory; signatures are deterministic (RFC 6979) and have a low s."""

    def __init__(self, private_key: bytes) -> None:
        self._key = PrivateKey(private_key)
        self._address = to_checksum_address(keccak(self._key.public_key.format(compressed=False)[1:])[-20:])

    def __repr__(self) -> str:
        return f"RawKeySigner({self._address})"

    @property
    def address(self) -> str:
        """The account, checksummed."""
        return self._address

    async def sign(self, transaction: Transaction) -> SignedTransaction:
        """Sign as EIP-1559, or as EIP-155 where the offer is a legacy one."""
        raw = self._legacy(transaction) if transaction.offer.legacy else self._dynamic_fee(transaction)
        return SignedTransaction(raw=raw, hash=keccak(raw))

    def _dynamic_fee(self, tx: Transaction) -> bytes:
        fields: list[bytes | list[bytes]] = [
            _number(tx.chain_id),
            _number(tx.nonce),
            _number(tx.offer.tip),
            _number(tx.offer.fee_cap),
            _number(tx.gas_limit),
            tx.to,
            _number(tx.value),
            tx.data,
            [],
        ]
        r, s, parity = self._signature(_DYNAMIC_FEE + _encode(fields))
        return _DYNAMIC_FEE + _encode([*fields, _number(parity), r, s])

    def _legacy(self, tx: Transaction) -> bytes:
        fields: list[bytes | list[bytes]] = [
            _number(tx.nonce),
            _number(tx.offer.fee_cap),
            _number(tx.gas_limit),
            tx.to,
            _number(tx.value),
            tx.data,
        ]
        r, s, parity = self._signature(_encode([*fields, _number(tx.chain_id), b"", b""]))
        return _encode([*fields, _number(tx.chain_id * 2 + 35 + parity), r, s])

    def _signature(self, payload: bytes) -> tuple[bytes, bytes, int]:
        """The r and s of the payload's hash as RLP wants them, and the parity of the curve point."""
        signature = self._key.sign_recoverable(keccak(payload), hasher=None)
        return signature[:32].lstrip(b"\0"), signature[32:64].lstrip(b"\0"), signature[64]


def _encode(fields: list[bytes | list[bytes]]) -> bytes:
    encoded: bytes = rlp.encode(fields, infer_serializer=False)
    return encoded


def _number(value: int) -> bytes:
    """Big-endian without leading zeros, as RLP wants numbers; zero is empty."""
    return value.to_bytes((value.bit_length() + 7) // 8)


def parse_private_key(text: str) -> bytes:
    """Read a key of 64 hex digits, 0x optional; raises UsageError, which never repeats what it was given."""
    digits = text.strip().removeprefix("0x").removeprefix("0X")
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if len(digits) != 2 * _KEY_BYTES or len(key) != _KEY_BYTES:
        raise UsageError("the private key must be 64 hex digits, 0x in front is fine; its value is not shown here")
    try:
        PrivateKey(key)
    except ValueError:
        raise UsageError("the private key is outside the range of secp256k1; its value is not shown here") from None
    return key
