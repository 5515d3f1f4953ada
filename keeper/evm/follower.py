"""Follows a chain by subscription, at one endpoint after the other.

    listen ──▶ subscribe ──▶ catch up ──▶ live, until the connection ends or blocks come that are not told
      ▲                                     │
      └─────── the next endpoint ◀──────────┘

Notifications that come while the missed ones are asked for wait in the inbox; what comes twice is told once.
"""

import asyncio
from contextlib import suppress

from keeper.domain.errors import Transient
from keeper.evm.chronicle import Chronicle
from keeper.evm.endpoint import Endpoint
from keeper.evm.following import NotOffered, Session
from keeper.evm.roster import AT_HAND, Roster
from keeper.ports import ChainListener

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 30.0
_PROVEN_S = 10.0
"""A session that lived so long is followed by the next one at once."""
_LOOK_AGAIN_S = 5.0


class Follower:
    """Tells one listener, for ever."""

    def __init__(self, roster: Roster, *, contract: str, listener: ChainListener) -> None:
        self._roster = roster
        self._contract = contract
        self._listener = listener
        self._chronicle = Chronicle(contract=contract, listener=listener)
        self._without: set[str] = set()
        """Endpoints that offer no subscriptions."""
        self._last: Endpoint | None = None

    async def run(self) -> None:
        """Returns where no endpoint offers subscriptions."""
        pause_s = 0.0
        while (endpoint := await self._next()) is not None:
            started = self._roster.clock.monotonic()
            await self._follow(endpoint)
            proven = self._roster.clock.monotonic() - started > _PROVEN_S
            pause_s = 0.0 if proven else min(max(2 * pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    async def _next(self) -> Endpoint | None:
        """The best endpoint that is well, rather not the last one again; None where none offers subscriptions."""
        while offering := [each for each in self._roster.listening() if each.name not in self._without]:
            well = [each for each in offering if each.state in AT_HAND]
            if well:
                self._last = min(well, key=lambda endpoint: endpoint is self._last)
                return self._last
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_S):
                    await self._roster.changed()
        return None

    async def _follow(self, endpoint: Endpoint) -> None:
        session = Session(endpoint, roster=self._roster, chronicle=self._chronicle, contract=self._contract)
        live = False
        try:
            await session.open()
            live = True
            self._listener.on_live(live=True)
            await session.run()
        except NotOffered:
            self._without.add(endpoint.name)
        except Transient:
            endpoint.suspect()
        finally:
            if live:
                self._listener.on_live(live=False)
        await session.close()
