"""Orders from the command line, by the way that the keeper with these settings looks for them."""

import asyncio
import getpass
import socket
import time
from collections.abc import Collection, Mapping
from contextlib import suppress

from keeper.app.accounts import signer
from keeper.app.clock import SystemClock
from keeper.app.coordination import coordinator
from keeper.app.settings import Settings
from keeper.app.wiring import database_of
from keeper.domain.errors import Rejected, UsageError
from keeper.domain.orders import Addressee, Pause, PushRequest
from keeper.domain.units import FeedId
from keeper.journal.migrate import is_current
from keeper.journal.orders import JournalOrders
from keeper.ports import Orders
from keeper.server.moments import utc_text

_TAKEN_WITHIN_S = 5.0
"""A keeper looks for orders every second."""
_POLL_S = 0.1


def who() -> str:
    """USER@HOST, as far as they are known."""
    user = "somebody"
    with suppress(OSError, KeyError):  # a container may run as a user without a name
        user = getpass.getuser()
    return f"{user}@{socket.gethostname()}"


class Ordering:
    """Orders to the keepers of some networks, or of all where none is named."""

    def __init__(self, settings: Settings, *, networks: Collection[str], by: str) -> None:
        self._networks = {network.network_name: network for network in settings.networks}
        if strange := [name for name in networks if name not in self._networks]:
            raise UsageError(f"--network: there is no {strange[0]} in the settings, but {', '.join(self._networks)}")
        self._names = tuple(networks) or tuple(self._networks)
        self._by = by
        self._database = database_of(settings)
        self._agreed = coordinator(settings, clock=SystemClock(), emit=lambda _: None)
        self._orders: Orders = self._agreed.orders or JournalOrders(self._database)

    async def update(self, feeds: Collection[str]) -> list[str]:
        """Ask for the feeds, and wait until a keeper has taken that; raises Rejected where none does, or may."""
        await self._check()
        wanted = self._feeds(feeds)
        addressees = {name: self._addressee(name) for name in wanted}
        standing = await self._orders.look(addressees.values())
        for name, addressee in addressees.items():
            if (pause := standing[addressee].pause) is not None:
                since = utc_text(pause.since)
                raise Rejected(f"{name} is paused by {pause.by} since {since}: resume it first, nothing was asked for")
        for name, addressee in addressees.items():
            await self._orders.ask(addressee, PushRequest(wanted[name], self._by), time.time())
        await self._taken(addressees)
        return [
            f"{name}: asked for {_counted(ids)}; `keeper journal list` tells the pushes" for name, ids in wanted.items()
        ]

    async def pause(self) -> list[str]:
        """Pause; a pause that stands already stays as it is."""
        await self._check()
        lines = []
        for name in self._names:
            await self._orders.pause(self._addressee(name), Pause(self._by, time.time()))
            pause = (await self._orders.look([self._addressee(name)]))[self._addressee(name)].pause
            told = "" if pause is None else f" by {pause.by} since {utc_text(pause.since)}"
            lines.append(f"{name}: paused{told}, until `keeper resume`")
        return lines

    async def resume(self) -> list[str]:
        """End the pauses."""
        await self._check()
        for name in self._names:
            await self._orders.resume(self._addressee(name), by=self._by, now=time.time())
        return [f"{name}: resumed" for name in self._names]

    async def close(self) -> None:
        """Let go of whatever takes the orders."""
        await self._agreed.close()
        await self._database.close()

    async def _check(self) -> None:
        if self._agreed.orders is None and not await self._database.run(is_current):
            raise Rejected("no keeper of this version has run with this JOURNAL_URL: start it first")

    async def _taken(self, addressees: Mapping[str, Addressee]) -> None:
        async def waiting() -> bool:
            standing = await self._orders.look(addressees.values())
            return any(each.waiting for each in standing.values())

        try:
            async with asyncio.timeout(_TAKEN_WITHIN_S):
                while await waiting():  # noqa: ASYNC110 - what is waited for is in a database
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise Rejected("no keeper takes the order: does one run with this JOURNAL_URL, and is it ready?") from None

    def _feeds(self, names: Collection[str]) -> dict[str, frozenset[FeedId] | None]:
        if not names:
            return dict.fromkeys(self._names)
        found: dict[str, frozenset[FeedId] | None] = {}
        left = set(names)
        for name in self._names:
            kept = [feed for feed in self._networks[name].feeds if {feed.alias, feed.feed_id} & set(names)]
            left -= {word for feed in kept for word in (feed.alias, feed.feed_id)}
            if kept:
                found[name] = frozenset(feed.feed_id for feed in kept)
        if left:
            raise UsageError(f"there is no feed {min(left)} on {', '.join(self._names)}")
        return found

    def _addressee(self, name: str) -> Addressee:
        return Addressee(name, signer(self._networks[name]).address)


def _counted(feeds: frozenset[FeedId] | None) -> str:
    return "all feeds" if feeds is None else f"{len(feeds)} feed{'s' if len(feeds) > 1 else ''}"
