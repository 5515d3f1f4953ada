"""The signer that holds a private key in memory: our own encoding, libsecp256k1 for the curve."""

from coincurve import PrivateKey
from eth_utils.address import to_checksum_address
from tiny_keccak import keccak256 as keccak

from keeper.domain.errors import UsageError
from keeper.domain.transaction import SignedTransaction, Transaction
from keeper.signing import rlp

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
        fields = [
            rlp.number(tx.chain_id),
            rlp.number(tx.nonce),
            rlp.number(tx.offer.tip),
            rlp.number(tx.offer.fee_cap),
            rlp.number(tx.gas_limit),
            rlp.string(tx.to),
            rlp.number(tx.value),
            rlp.string(tx.data),
            rlp.EMPTY_LIST,
        ]
        r, s, parity = self._signature(_DYNAMIC_FEE + rlp.sequence(fields))
        return _DYNAMIC_FEE + rlp.sequence([*fields, rlp.number(parity), r, s])

    def _legacy(self, tx: Transaction) -> bytes:
        fields = [
            rlp.number(tx.nonce),
            rlp.number(tx.offer.fee_cap),
            rlp.number(tx.gas_limit),
            rlp.string(tx.to),
            rlp.number(tx.value),
            rlp.string(tx.data),
        ]
        r, s, parity = self._signature(rlp.sequence([*fields, rlp.number(tx.chain_id), rlp.number(0), rlp.number(0)]))
        return rlp.sequence([*fields, rlp.number(tx.chain_id * 2 + 35 + parity), r, s])

    def _signature(self, payload: bytes) -> tuple[bytes, bytes, int]:
        """The r and s of the payload's hash, encoded as numbers, and the parity of the curve point."""
        signature = self._key.sign_recoverable(keccak(payload), hasher=None)
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64])
        return rlp.number(r), rlp.number(s), signature[64]


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
