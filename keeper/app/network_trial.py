"""`keeper networks test`: one push of one feed, all the way to the chain and back.

Two senders with one key would take each other's nonces. So a keeper that runs is asked, by way of the journal, and only
where none takes the request does this process send by itself, with the keeper's port and journal in its hands.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from keeper.app.accounts import Accounts, signer
from keeper.app.clock import SystemClock
from keeper.app.feeds import Feed
from keeper.app.network_settings import NetworkSettings
from keeper.app.redaction import Redactor
from keeper.app.runtime import Keeper
from keeper.app.settings import Settings
from keeper.app.wiring import assembled, database_of, evm_chain, rpc_pool
from keeper.domain.errors import Rejected
from keeper.domain.orders import PushRequest
from keeper.domain.policy import Early, FeedPolicy
from keeper.domain.price import Price
from keeper.domain.transaction import ENDED, Outcome
from keeper.evm.chain import EvmChain
from keeper.journal.database import Database
from keeper.journal.migrate import is_current
from keeper.journal.reading import newest
from keeper.journal.requests import ask_for, is_open, withdraw
from keeper.journal.stories import Filter, PushStory
from keeper.ports import Account

_POLL_S = 0.1
_TAKEN_WITHIN_S = 4.0
"""A keeper looks for requests every second."""
_BEGUN_WITHIN_S = 0.5
_PUSHED_WITHIN_S = 8.0
"""A keeper that was asked gives up after two seconds without a newer price."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it."""

    feed: Feed
    by_running_keeper: bool
    story: PushStory | None
    """None where no price was newer than the one on chain."""
    on_chain: Price


async def try_network(settings: Settings, network: NetworkSettings, feed: Feed, *, patience_s: float) -> Trial:
    """Push the feed, wait until that is final, and read it from the chain; raises KeeperError where that fails."""
    pool = rpc_pool(network, SystemClock(), Redactor(settings.secrets()))
    database = database_of(settings)
    try:
        chain = evm_chain(network, pool, admit=Accounts().admission(network))
        account = Account(network.network_name, await chain.connect(), signer(network).address)
        started = time.time()
        wanted = Filter(network=network.network_name, feed=feed.feed_id, since=started)
        taken = await _asked(database, account, feed)
        async with _sending(settings, network, feed, already=taken):
            story = await _final(database, wanted, patience_s)
        return Trial(feed, taken, story, await _verified(chain, feed, story))
    finally:
        await database.close()
        await pool.close()


async def _asked(database: Database, account: Account, feed: Feed) -> bool:
    """Whether a running keeper has taken the request."""
    request = PushRequest(frozenset({feed.feed_id}), "keeper networks test")
    asked = await database.run(partial(ask_for, account=account, request=request, now=time.time()), writes=True)
    if asked is None:
        return False

    async def taken() -> bool:
        return not await database.run(partial(is_open, asked=asked))

    if await _within(_TAKEN_WITHIN_S, taken):
        return True
    return not await database.run(partial(withdraw, asked=asked), writes=True)


@asynccontextmanager
async def _sending(settings: Settings, network: NetworkSettings, feed: Feed, *, already: bool) -> AsyncIterator[None]:
    """A keeper of that one feed in this process, which pushes it once, unless another one does it."""
    if already:
        yield
        return
    once = Feed(feed.feed_id, feed.alias, FeedPolicy(rules=(), early=Early.NEVER))
    named = dict.fromkeys(("feed_ids", "feed_list", "feeds_of_groups", "force_update_interval_ms"))
    alone = network.model_copy(update={**named, "price_config_feeds": (once,)})
    async with assembled(settings.model_copy(update={"networks": (alone,)})) as parts:
        running = asyncio.create_task(parts.keeper.run(), name="keeper of one feed")
        try:
            await _readiness(parts.keeper)
            if not await _within(_BEGUN_WITHIN_S, partial(_has_begun, parts.keeper)):
                parts.keeper.force("control")
            yield
        finally:
            parts.keeper.stop()
            await running


async def _has_begun(keeper: Keeper) -> bool:
    """Whether it pushes without being told to: a feed that was never pushed is due."""
    network = keeper.status().networks[0]
    return network.in_flight > 0 or any(network.pushes.values())


async def _readiness(keeper: Keeper) -> None:
    """Wait for it; raises Rejected where it does not come."""

    async def ready() -> bool:
        return keeper.status().networks[0].ready

    if not await _within(_PUSHED_WITHIN_S, ready):
        raise Rejected(f"the network is not ready: {keeper.status().networks[0].detail}")


async def _final(database: Database, wanted: Filter, patience_s: float) -> PushStory | None:
    """The push, once it is final; None where none begins. Raises Rejected where it comes to nothing."""
    told: list[PushStory] = []

    async def begun() -> bool:
        told[:] = await database.run(partial(_newest, wanted=wanted))
        return bool(told)

    async def ended() -> bool:
        return await begun() and told[0].state in ENDED

    if not await _within(_PUSHED_WITHIN_S, begun):
        return None
    if not await _within(patience_s, ended):
        raise Rejected(
            f"push {told[0].push} is {told[0].state} after {patience_s:g} s:"
            f" `keeper journal show {told[0].push}` tells of it"
        )
    story = told[0]
    if story.outcome not in {Outcome.CONFIRMED, Outcome.NOTHING_NEWER}:
        raise Rejected(f"push {story.push} ended as {story.outcome}: {story.problem or 'no reason was told'}")
    return story


def _newest(connection: Connection, wanted: Filter) -> list[PushStory]:
    return newest(connection, wanted, 1) if is_current(connection) else []


async def _verified(chain: EvmChain, feed: Feed, story: PushStory | None) -> Price:
    """The price on chain; raises Rejected where it is not what was pushed, or newer."""
    on_chain = (await chain.read([feed.feed_id])).prices[feed.feed_id]
    if on_chain is None:
        raise Rejected(f"the contract has no price of {feed.alias}, and none newer was to be had")
    receipt = None if story is None or story.tx_hash is None else await chain.receipt(story.tx_hash)
    for write in receipt.writes if receipt is not None else ():
        same = (write.price, write.publish_time) == (on_chain.price, on_chain.publish_time)
        if write.feed_id == feed.feed_id and not same and on_chain.publish_time <= write.publish_time:
            raise Rejected(f"the contract tells another price of {feed.alias} than it stored: is there a fault in it?")
    return on_chain


async def _within(seconds: float, condition: Callable[[], Awaitable[bool]]) -> bool:
    """Whether the condition comes to hold in time."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110 - what is waited for is in a database
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        return False
    return True
