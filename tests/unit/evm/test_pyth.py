"""The contract's ABI, held against eth_abi and the facts of the real contract."""

from collections.abc import Callable, Sequence

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import Transient
from keeper.domain.price import Price
from keeper.domain.units import FeedId
from keeper.evm import pyth

BTC = FeedId("e62df6c8b4a85fe1a67db44dc12de5db330f7ac66b72dc658afedf0f4a415b43")

blobs = st.lists(st.binary(max_size=200), max_size=5)
i64 = st.integers(-(2**63), 2**63 - 1)
u64 = st.integers(0, 2**64 - 1)
prices = st.builds(Price, price=i64, conf=u64, expo=st.integers(-(2**31), 2**31 - 1), publish_time=u64)


@pytest.mark.parametrize(
    ("build", "selector"), [(pyth.update_price_feeds, "ef9e5e28"), (pyth.get_update_fee, "d47eed45")]
)
@given(items=blobs)
def test_encodes_update_data_as_eth_abi_does(
    build: Callable[[Sequence[bytes]], bytes], selector: str, items: list[bytes]
) -> None:
    assert build(items) == bytes.fromhex(selector) + encode(["bytes[]"], [items])


@given(items=blobs, conditions=st.dictionaries(st.binary(min_size=32, max_size=32), u64, max_size=5))
def test_encodes_conditions_as_eth_abi_does(items: list[bytes], conditions: dict[bytes, int]) -> None:
    encoded = encode(["bytes[]", "bytes32[]", "uint64[]"], [items, list(conditions), list(conditions.values())])
    asked = {FeedId(feed.hex()): publish_time for feed, publish_time in conditions.items()}
    assert pyth.update_price_feeds_if_necessary(items, asked) == bytes.fromhex("b9256d28") + encoded


def test_asks_for_the_stored_price() -> None:
    assert pyth.get_price_unsafe(BTC).hex() == "96834ad3" + BTC


@given(prices)
def test_reads_prices(price: Price) -> None:
    assert pyth.read_price(encode(["(int64,uint64,int32,uint256)"], [tuple(price)])) == price


@given(st.integers(0, 2**256 - 1))
def test_reads_fees(fee: int) -> None:
    assert pyth.read_fee(encode(["uint256"], [fee])) == fee


@given(u64, i64, u64)
def test_reads_price_feed_updates(publish_time: int, price: int, conf: int) -> None:
    data = encode(["uint64", "int64", "uint64"], [publish_time, price, conf])
    assert pyth.read_write(bytes.fromhex(BTC), data) == (BTC, publish_time, price, conf)


def test_knows_the_event() -> None:
    assert pyth.PRICE_FEED_UPDATE.hex() == "d06a6b7f4918494b3719217d1802786c1f5112a6c1d88fe2cfec00b4584f6aec"


@pytest.mark.parametrize(
    "read", [pyth.read_price, pyth.read_fee, lambda data: pyth.read_write(bytes.fromhex(BTC), data)]
)
@pytest.mark.parametrize("returned", [b"", bytes(31)])
def test_says_that_this_is_no_pyth_contract(read: Callable[[bytes], object], returned: bytes) -> None:
    with pytest.raises(Transient, match="CONTRACT_ADDRESS"):
        read(returned)


@pytest.mark.parametrize(
    ("selector", "name"),
    [
        ("de2c57fa", "NoFreshUpdate"),
        ("025dbdd4", "InsufficientFee"),
        ("e69ffece", "InvalidUpdateData"),
        ("e60dce71", "InvalidUpdateDataSource"),
        ("2acbe915", "InvalidWormholeVaa"),
        ("a9cb9e0d", "InvalidArgument"),
        ("14aebe68", "PriceFeedNotFound"),
        ("19abf40e", "StalePrice"),
    ],
)
def test_names_the_contracts_errors(selector: str, name: str) -> None:
    assert pyth.explain(bytes.fromhex(selector)).startswith(f"{name}: ")


@pytest.mark.parametrize("selector", ["2acbe915", "e60dce71"])
def test_blames_the_source_for_updates_of_another_generation(selector: str) -> None:
    assert "HERMES_URL" in pyth.explain(bytes.fromhex(selector))


def test_has_no_words_for_errors_of_others() -> None:
    assert pyth.explain(b"") == pyth.explain(b"\x08\xc3\x79\xa0") == ""
