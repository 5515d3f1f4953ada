"""Signing with a key in memory, held against eth_account."""

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import UsageError
from keeper.domain.fees import GasOffer
from keeper.domain.transaction import Transaction
from keeper.domain.units import Gas, Wei
from keeper.signing.raw_key import RawKeySigner, parse_private_key

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
"""Anvil's first account: public knowledge."""

keys = st.integers(1, CURVE_ORDER - 1).map(lambda number: number.to_bytes(32))
fees = st.integers(0, 2**96).map(Wei)
offers = st.one_of(
    st.builds(GasOffer, fee_cap=fees, tip=fees, legacy=st.just(False)),
    fees.map(lambda price: GasOffer(price, price, legacy=True)),
)
transactions = st.builds(
    Transaction,
    chain_id=st.integers(1, 2**40),
    nonce=st.integers(0, 2**64 - 2),
    offer=offers,
    gas_limit=st.integers(0, 2**40).map(Gas),
    to=st.one_of(st.binary(min_size=20, max_size=20), st.just(b"")),
    value=st.integers(0, 2**128).map(Wei),
    data=st.binary(max_size=2_000),
)


def in_web3_terms(transaction: Transaction) -> dict[str, object]:
    offer = transaction.offer
    fields: dict[str, object] = {
        "chainId": transaction.chain_id,
        "nonce": transaction.nonce,
        "gas": transaction.gas_limit,
        "value": transaction.value,
        "data": transaction.data,
    }
    if transaction.to:
        fields["to"] = transaction.to
    if offer.legacy:
        return fields | {"gasPrice": offer.fee_cap}
    return fields | {"maxFeePerGas": offer.fee_cap, "maxPriorityFeePerGas": offer.tip, "type": 2}


@given(keys, transactions)
async def test_signs_byte_for_byte_as_eth_account_does(key: bytes, transaction: Transaction) -> None:
    expected = Account.from_key(key).sign_transaction(in_web3_terms(transaction))

    signed = await RawKeySigner(key).sign(transaction)

    assert signed.raw == expected.raw_transaction
    assert signed.hash == expected.hash


@given(keys)
def test_knows_its_checksummed_address(key: bytes) -> None:
    assert RawKeySigner(key).address == Account.from_key(key).address


def test_shows_its_address_and_never_its_key() -> None:
    signer = RawKeySigner(parse_private_key(KEY))

    assert repr(signer) == "RawKeySigner(0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266)"
    assert KEY not in f"{signer} {vars(signer)}"


@pytest.mark.parametrize("text", [KEY, f"0x{KEY}", f"0X{KEY.upper()}", f"  {KEY}\n"])
def test_reads_a_key_in_any_usual_spelling(text: str) -> None:
    assert parse_private_key(text).hex() == KEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        KEY[:-1],
        KEY[:-2],
        KEY + "00",
        "0x0x" + KEY[4:],
        KEY[:-2] + "zz",
        KEY[:30] + "  " + KEY[32:],
        "00" * 32,
        f"{CURVE_ORDER:064x}",
        "ff" * 32,
    ],
)
def test_refuses_what_is_no_key_without_repeating_it(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_private_key(text)

    assert len(text) <= len("0x") or text not in str(refused.value)
    assert refused.value.__cause__ is None
