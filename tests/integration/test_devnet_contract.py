"""The devnet contract does with updates, mainnet's above all, what the real one does with them."""

import time
from dataclasses import replace
from typing import Any

import pytest

from keeper.domain.accumulator import decode
from keeper.domain.units import FeedId
from tests.support.fixtures import genuine_updates
from tests.support.guardians import guardian_terms, holds_proven_prices, price_updates
from tests.support.node import Node
from tests.support.pyth_contract import (
    ChainPrice,
    PriceEvent,
    PythContract,
    Terms,
    call,
    if_necessary_calldata,
    price_events,
    update_calldata,
)
from tests.support.updates import ADDRESSES, KEYS, Envelope, Quote, build_update

BTC = "e62df6c8b4a85fe1a67db44dc12de5db330f7ac66b72dc658afedf0f4a415b43"
ETH = "ff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace"
NOON = 1_700_000_000
ONE_KEY = Terms(signers=ADDRESSES[:1], quorum=1)
BY_ONE_KEY = Envelope(signer_set=0)


def blob_of(*quotes: Quote) -> bytes:
    """Signed by the one devnet key."""
    return build_update([quote.message() for quote in quotes], BY_ONE_KEY)


def btc(price: int, publish_time: int) -> Quote:
    return Quote(feed_id=BTC, price=price, conf=7, publish_time=publish_time, ema_price=price - 1, ema_conf=8)


def decoded_price(message: dict[str, Any]) -> ChainPrice:
    return ChainPrice(int(message["price"]), int(message["conf"]), message["expo"], message["publish_time"])


def decoded_ema(message: dict[str, Any]) -> ChainPrice:
    return ChainPrice(int(message["ema_price"]), int(message["ema_conf"]), message["expo"], message["publish_time"])


@pytest.fixture
async def contract(node: Node) -> PythContract:
    """Trusts one devnet key."""
    return await PythContract.deploy(node, ONE_KEY)


@pytest.mark.parametrize("guardian_set", [3, 4])
async def test_stores_every_genuine_update_as_it_was_decoded_elsewhere(node: Node, guardian_set: int) -> None:
    pushed = 0
    for blob, messages in price_updates(guardian_set):
        contract = await PythContract.deploy(node, guardian_terms(guardian_set))
        mined = await contract.update(blob)
        assert mined.succeeded
        for message in messages:
            feed_id = message["feed_id"]
            expected = decoded_price(message), decoded_ema(message)
            assert (await contract.price(feed_id), await contract.ema_price(feed_id)) == expected
            assert await contract.price_feed(feed_id) == (feed_id, *expected)
        assert price_events(mined) == [
            PriceEvent(message["feed_id"], price.publish_time, price.price, price.conf)
            for message in messages
            for price in [decoded_price(message)]
        ]
        pushed += 1
    assert pushed >= 4


async def test_holds_the_newest_of_all_genuine_updates_sent_in_one_transaction(node: Node) -> None:
    contract = await PythContract.deploy(node, guardian_terms(4))
    updates = list(price_updates(4))
    assert (await contract.update(*(blob for blob, _ in reversed(updates)))).succeeded
    newest = {message["feed_id"]: decoded_price(message) for _, messages in updates for message in messages}
    assert {feed_id: await contract.price(feed_id) for feed_id in newest} == newest


async def test_accepts_any_slice_of_a_genuine_update_for_the_fee_of_the_slice(node: Node) -> None:
    contract = await PythContract.deploy(node, guardian_terms(4))
    blob, messages = max(price_updates(4), key=lambda update: len(update[1]))
    wanted = [FeedId(message["feed_id"]) for message in (messages[7], messages[0], messages[4])]
    mined = await contract.update(decode(blob).slice(wanted), value=3)
    assert mined.succeeded
    assert [event.feed_id for event in price_events(mined)] == wanted
    assert not await contract.exists(messages[1]["feed_id"])


async def test_takes_the_gas_of_the_real_contract_for_each_further_feed(node: Node) -> None:
    (older, older_messages), (newer, _) = sorted(price_updates(4), key=lambda update: len(update[1]))[-3:-1]
    feeds = [FeedId(message["feed_id"]) for message in older_messages]

    async def gas(blob: bytes, count: int, *, into: PythContract) -> int:
        mined = await into.update(decode(blob).slice(feeds[:count]))
        assert len(price_events(mined)) == count
        return mined.gas_used

    few, all_of_them = [await PythContract.deploy(node, guardian_terms(4)) for _ in range(2)]
    first_writes = await gas(older, len(feeds), into=all_of_them) - await gas(older, 1, into=few)
    updates = await gas(newer, len(feeds), into=all_of_them) - await gas(newer, 1, into=few)
    assert first_writes / (len(feeds) - 1) == pytest.approx(60_000, rel=0.05)
    assert updates / (len(feeds) - 1) == pytest.approx(26_000, rel=0.05)


async def test_refuses_genuine_updates_that_hold_other_messages_than_prices(node: Node) -> None:
    contract = await PythContract.deploy(node, guardian_terms(4))
    unfit = [
        bytes.fromhex(update["hex"])
        for update in genuine_updates()
        if update["guardian_set"] == 4 and not holds_proven_prices(update)
    ]
    assert unfit
    assert await contract.refusals(unfit) == ["InvalidUpdateData"] * len(unfit)


@pytest.mark.parametrize(("trusted", "sent"), [(3, 4), (4, 3)])
async def test_refuses_genuine_updates_of_another_guardian_set(node: Node, trusted: int, sent: int) -> None:
    contract = await PythContract.deploy(node, guardian_terms(trusted))
    blobs = [blob for blob, _ in price_updates(sent)]
    assert await contract.refusals(blobs) == ["InvalidWormholeVaa"] * len(blobs)


@pytest.mark.parametrize("source", [{"emitter_chain": 1}, {"emitter": bytes(31) + b"\x01"}])
async def test_refuses_genuine_updates_where_another_emitter_is_trusted(node: Node, source: dict[str, Any]) -> None:
    contract = await PythContract.deploy(node, replace(guardian_terms(4), **source))
    blobs = [blob for blob, _ in price_updates(4)]
    assert await contract.refusals(blobs) == ["InvalidUpdateDataSource"] * len(blobs)


@pytest.mark.parametrize("age", [0, 1, 1_000])
async def test_skips_in_silence_what_is_not_newer_by_a_whole_second(contract: PythContract, age: int) -> None:
    await contract.update(blob_of(btc(100, NOON)))
    mined = await contract.update(blob_of(btc(200, NOON - age)))
    assert mined.succeeded
    assert mined.logs == []
    assert (await contract.price(BTC)).price == 100


async def test_writes_the_newer_feeds_of_an_update_and_skips_the_others(contract: PythContract) -> None:
    await contract.update(blob_of(btc(100, NOON)))
    mined = await contract.update(blob_of(btc(200, NOON), Quote(feed_id=ETH, price=-5, publish_time=NOON)))
    assert price_events(mined) == [PriceEvent(ETH, NOON, -5, 0)]
    assert await contract.price(ETH) == ChainPrice(-5, 0, -8, NOON)


async def test_charges_for_each_message_of_each_blob(node: Node) -> None:
    contract = await PythContract.deploy(node, replace(ONE_KEY, fee=1_000))
    two, one = blob_of(btc(1, NOON), Quote(feed_id=ETH, price=1)), blob_of(btc(2, NOON + 1))
    assert await contract.update_fee(two, one) == 3_000
    assert await contract.refusal(update_calldata(two, one), value=2_999) == "InsufficientFee"
    assert (await contract.update(two, one, value=3_000)).succeeded
    assert await node.request("eth_getBalance", contract.address, "latest") == hex(3_000)


async def test_keeps_what_is_paid_above_the_fee(contract: PythContract) -> None:
    await contract.update(blob_of(btc(1, NOON)), value=50)
    assert await contract.node.request("eth_getBalance", contract.address, "latest") == hex(50)


async def test_updates_if_necessary_only_while_a_listed_feed_is_older_than_told(contract: PythContract) -> None:
    blob = blob_of(btc(1, NOON))
    calldata = if_necessary_calldata([blob], [ETH, BTC], [0, NOON])
    assert (await contract.node.send(calldata, to=contract.address, value=1)).succeeded
    assert (await contract.price(BTC)).publish_time == NOON
    assert await contract.refusal(calldata) == "NoFreshUpdate"
    assert await contract.refusal(if_necessary_calldata([blob], [BTC], [NOON + 1])) == ""
    assert await contract.refusal(if_necessary_calldata([blob], [], [])) == "NoFreshUpdate"


async def test_updates_if_necessary_only_with_a_publish_time_for_each_feed(contract: PythContract) -> None:
    calldata = if_necessary_calldata([blob_of(btc(1, NOON))], [BTC], [NOON, NOON])
    assert await contract.refusal(calldata) == "InvalidArgument"


async def test_knows_a_feed_from_its_first_write_on(contract: PythContract) -> None:
    for function in ("getPriceUnsafe(bytes32)", "getEmaPriceUnsafe(bytes32)", "queryPriceFeed(bytes32)"):
        read = call(function, ["bytes32"], [bytes.fromhex(BTC)])
        assert await contract.refusal(read, value=0) == "PriceFeedNotFound"
    assert not await contract.exists(BTC)
    await contract.update(blob_of(btc(1, NOON)))
    assert await contract.exists(BTC)


async def test_refuses_to_read_a_price_older_than_asked_for(contract: PythContract) -> None:
    await contract.update(blob_of(btc(1, int(time.time()) - 100)))

    async def refusal(age_s: int) -> str:
        function, types = "getPriceNoOlderThan(bytes32,uint256)", ["bytes32", "uint256"]
        return await contract.refusal(call(function, types, [bytes.fromhex(BTC), age_s]), value=0)

    assert (await refusal(90), await refusal(1_000)) == ("StalePrice", "")
    assert await contract.valid_period() == 60


async def test_takes_a_quorum_of_any_signers_in_the_order_of_their_indices(node: Node) -> None:
    contract = await PythContract.deploy(node, Terms(signers=ADDRESSES, quorum=2))
    blobs = [build_update([btc(1, NOON).message()], Envelope(signer_set=0, keys=KEYS[:count])) for count in (1, 2, 3)]
    assert await contract.refusals(blobs) == ["InvalidWormholeVaa", "", ""]


@pytest.mark.parametrize(
    "terms",
    [
        Terms(signers=ADDRESSES, quorum=0),
        Terms(signers=ADDRESSES, quorum=len(ADDRESSES) + 1),
        Terms(signers=[], quorum=0),
        Terms(signers=[ADDRESSES[0], bytes(20)], quorum=1),
        Terms(signers=[ADDRESSES[0]] * 257, quorum=1),
    ],
)
async def test_is_not_made_with_a_signer_set_that_nobody_or_everybody_could_sign_for(node: Node, terms: Terms) -> None:
    assert await PythContract.refusal_to_deploy(node, terms) == "InvalidArgument"
