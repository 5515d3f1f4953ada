"""`keeper journal retry`: has the running keeper push the feeds of a push anew."""

import asyncio
import time
from functools import partial

from keeper.domain.errors import Rejected
from keeper.journal.address import PostgresServer, SqliteFile
from keeper.journal.database import Database, PostgresDatabase, SqliteDatabase
from keeper.journal.reading import newest
from keeper.journal.requests import Asked, answer, ask, withdraw
from keeper.journal.stories import Filter, PushStory

_POLL_S = 0.1


async def retry(address: SqliteFile | PostgresServer, story: PushStory, *, patience_s: float) -> PushStory:
    """Ask the keeper, and wait for the push that follows and how it ends; raises Rejected where none follows."""
    if not story.feeds:
        raise Rejected(f"push {story.push} carried no prices: there is nothing to retry")
    database = SqliteDatabase(address) if isinstance(address, SqliteFile) else PostgresDatabase(address)
    asked = await database.run(partial(ask, story=story, by="keeper journal retry", now=time.time()), writes=True)
    told: PushStory | None = None
    try:
        async with asyncio.timeout(patience_s):
            while told is None or told.outcome is None:
                await asyncio.sleep(_POLL_S)
                told = await _told(database, story, asked)
    except TimeoutError:
        if told is None:
            raise await _nothing_followed(database, story, asked) from None
    return told


async def _told(database: Database, story: PushStory, asked: Asked) -> PushStory | None:
    push = await database.run(partial(answer, asked=asked))
    if push is None:
        return None
    found = await database.run(partial(newest, wanted=Filter(network=story.network, push=push), limit=9))
    return next(each for each in found if each.account == story.account)


async def _nothing_followed(database: Database, story: PushStory, asked: Asked) -> Rejected:
    if await database.run(partial(withdraw, asked=asked), writes=True):
        return Rejected(f"no keeper of {story.network} has taken the request: start one with `keeper run`")
    return Rejected(
        "the keeper was asked, and has sent nothing yet: no price is newer than on chain, or `keeper status` says why"
    )
