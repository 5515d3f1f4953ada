"""The Pyth contract's ABI: calldata of what we ask of it, its answers, its event and its errors."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from tiny_keccak import keccak256 as keccak

from keeper.domain.errors import Transient
from keeper.domain.price import Price
from keeper.domain.transaction import FeedWrite
from keeper.domain.units import FeedId

_WORD = 32


def _selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


PRICE_FEED_UPDATE = keccak(b"PriceFeedUpdate(bytes32,uint64,int64,uint64)")
"""First topic of the event; the second is the feed."""

_DATA_SOURCE = "(uint16,bytes32)"
CHANGES = {
    keccak(event.encode()): event.partition("(")[0]
    for event in (
        "FeeSet(uint256,uint256)",
        "TransactionFeeSet(uint256,uint256)",
        "ValidPeriodSet(uint256,uint256)",
        "WormholeAddressSet(address,address)",
        f"DataSourcesSet({_DATA_SOURCE}[],{_DATA_SOURCE}[])",
        f"GovernanceDataSourceSet({_DATA_SOURCE},{_DATA_SOURCE},uint64)",
        "ContractUpgraded(address,address)",
        "Upgraded(address)",
        "Paused(address)",
        "Unpaused(address)",
    )
}
"""First topics of the events by which contracts tell that they were changed, and the names of these."""

PRICE_FEED_NOT_FOUND = _selector("PriceFeedNotFound()")

_UPDATE_PRICE_FEEDS = _selector("updatePriceFeeds(bytes[])")
_UPDATE_IF_NECESSARY = _selector("updatePriceFeedsIfNecessary(bytes[],bytes32[],uint64[])")
_GET_UPDATE_FEE = _selector("getUpdateFee(bytes[])")
_GET_PRICE_UNSAFE = _selector("getPriceUnsafe(bytes32)")

FEE_CONSTANTS = (_selector("singleUpdateFeeInWei()"), _selector("transactionFeeInWei()"))
"""Calldata that asks for the fee of a message, and for that of a transaction; not every contract answers."""

VERSION = _selector("version()")
"""Calldata that asks which version the contract is: a text, told by those that can be upgraded."""
VALID_PERIOD = _selector("getValidTimePeriod()")
"""Calldata that asks for how many seconds readers take a price for good."""

IMPLEMENTATION_SLOT = f"0x{int.from_bytes(keccak(b'eip1967.proxy.implementation')) - 1:064x}"
"""Where a proxy keeps the address of its code (ERC-1967)."""

_SOURCE_AT_FAULT = (
    "the contract does not trust who signs the source's prices: HERMES_URL and CONTRACT_ADDRESS are of different"
    " networks or generations"
)
_ERRORS = {
    _selector(f"{name}()"): f"{name}: {advice}"
    for name, advice in {
        "NoFreshUpdate": "no feed in it is newer than the chain",
        "InsufficientFee": "the contract's update fee has changed",
        "InvalidUpdateData": "the price source delivers update data that the contract cannot read",
        "InvalidUpdateDataSource": _SOURCE_AT_FAULT,
        "InvalidWormholeVaa": _SOURCE_AT_FAULT,
        "InvalidArgument": "the contract does not understand the call: check CONTRACT_ADDRESS",
        "PriceFeedNotFound": "the feed was never pushed to this contract",
        "StalePrice": "the price on chain is too old",
    }.items()
}

_DISTRUST = frozenset({_selector("InvalidUpdateDataSource()"), _selector("InvalidWormholeVaa()")})


def update_price_feeds(blobs: Sequence[bytes]) -> bytes:
    """Calldata of a push."""
    return _UPDATE_PRICE_FEEDS + _bytes_array(blobs)


def update_price_feeds_if_necessary(blobs: Sequence[bytes], conditions: Mapping[FeedId, int]) -> bytes:
    """Calldata of a push that reverts unless one of the feeds is older on chain than its publish time here."""
    updates, count = _array_of_bytes(blobs), len(conditions)
    ids = _word(count) + b"".join(bytes.fromhex(feed_id) for feed_id in conditions)
    times = _word(count) + b"".join(map(_word, conditions.values()))
    offsets = accumulate((len(updates), len(ids)), initial=3 * _WORD)
    return _UPDATE_IF_NECESSARY + b"".join(map(_word, offsets)) + updates + ids + times


def get_update_fee(blobs: Sequence[bytes]) -> bytes:
    """Calldata that asks what a push costs, in wei."""
    return _GET_UPDATE_FEE + _bytes_array(blobs)


def get_price_unsafe(feed_id: FeedId) -> bytes:
    """Calldata that asks for the stored price, however old."""
    return _GET_PRICE_UNSAFE + bytes.fromhex(feed_id)


def read_price(returned: bytes) -> Price:
    """What getPriceUnsafe returns; raises Transient for anything else."""
    price, conf, expo, publish_time = _words(returned, 4)
    return Price(_signed(price), _unsigned(conf), _signed(expo), _unsigned(publish_time))


def read_fee(returned: bytes) -> int:
    """What getUpdateFee returns; raises Transient for anything else."""
    (fee,) = _words(returned, 1)
    return _unsigned(fee)


def read_write(feed_topic: bytes, data: bytes) -> FeedWrite:
    """A PriceFeedUpdate event; raises Transient for anything else."""
    publish_time, price, conf = _words(data, 3)
    return FeedWrite(FeedId(feed_topic.hex()), _unsigned(publish_time), _signed(price), _unsigned(conf))


def error_name(revert_data: bytes) -> str:
    """The contract's error by name; empty for an unknown one."""
    return explain(revert_data).partition(":")[0]


def distrusts(revert_data: bytes) -> bool:
    """Whether the contract's error is one about who signed the update."""
    return revert_data[:4] in _DISTRUST


def explain(revert_data: bytes) -> str:
    """The contract's error by name, and what it means; empty for an unknown one."""
    return _ERRORS.get(revert_data[:4], "")


def _bytes_array(items: Sequence[bytes]) -> bytes:
    """The ABI's encoding of one argument of type bytes[]."""
    return _word(_WORD) + _array_of_bytes(items)


def _array_of_bytes(items: Sequence[bytes]) -> bytes:
    """The ABI's encoding of bytes[], from its length on."""
    heads, tails = [_word(len(items))], []
    offset = _WORD * len(items)
    for item in items:
        padded = item + bytes(-len(item) % _WORD)
        heads.append(_word(offset))
        tails += [_word(len(item)), padded]
        offset += _WORD + len(padded)
    return b"".join(heads + tails)


def _word(number: int) -> bytes:
    return number.to_bytes(_WORD)


def _words(data: bytes, count: int) -> list[bytes]:
    if not data:
        raise Transient("nothing answers at CONTRACT_ADDRESS: there is no contract, or no longer, or it is another one")
    if len(data) < count * _WORD:
        raise Transient(f"the contract answers {len(data)} bytes where {count * _WORD} are due: check CONTRACT_ADDRESS")
    return [data[at : at + _WORD] for at in range(0, count * _WORD, _WORD)]


def _signed(word: bytes) -> int:
    return int.from_bytes(word, signed=True)


def _unsigned(word: bytes) -> int:
    return int.from_bytes(word)
