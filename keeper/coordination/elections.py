"""The elections of one process: twice a second it is read who holds what, and the mandates are told.

What a store bears: two reads a second for each process, whatever the number of shards, and for each shard that is held
five writes in the time of a lease.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Never

from keeper.coordination.lease import Lease
from keeper.coordination.mandate import LeaseMandate, Office
from keeper.coordination.shards import CLAIM, shard_to_claim, shards_to_yield
from keeper.domain.errors import KeeperError

_LOOK_EVERY_S = (0.45, 0.55)
_SHORTEST_PAUSE_S = 0.05
_READING = "reading"


class Elections:
    """One mandate for each network of the process."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._mandates: list[LeaseMandate] = []

    def mandate(self, network: str) -> LeaseMandate:
        """Another one, before `run`."""
        mandate = LeaseMandate(network, self._office)
        self._mandates.append(mandate)
        return mandate

    async def run(self) -> Never:
        """Stand for whatever the mandates want, and keep what they hold."""
        async with asyncio.TaskGroup() as tasks:
            for number, mandate in enumerate(self._mandates):
                tasks.create_task(mandate.run(), name=f"mandate {number}")
            await self._look_forever()

    async def _look_forever(self) -> Never:
        while True:
            await self._until_next_look()
            if any(mandate.shard for mandate in self._mandates):
                await self._look()

    async def _until_next_look(self) -> None:
        await asyncio.sleep(_SHORTEST_PAUSE_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._office.dice(*_LOOK_EVERY_S) - _SHORTEST_PAUSE_S):
                await self._office.look.wait()
        self._office.look.clear()

    async def _look(self) -> None:
        asked_at = self._office.boottime()
        try:
            async with asyncio.timeout(self._office.pace.renew_s):
                board = await self._office.store.read()
        except KeeperError as exc:
            self._office.trouble.arises(_READING, str(exc))
        except TimeoutError:
            self._office.trouble.arises(_READING, f"the leases were not told within {self._office.pace.renew_s:g} s")
        else:
            self._office.trouble.passes(_READING)
            self._tell(board, asked_at)
            await self._claim(board)

    def _tell(self, board: Mapping[str, Lease], asked_at: float) -> None:
        yielded = shards_to_yield(self._office.identity, board)
        for mandate in self._mandates:
            if mandate.shard:
                mandate.see(board.get(mandate.shard), asked_at)
                if mandate.shard in yielded:
                    mandate.ask_back()

    async def _claim(self, board: Mapping[str, Lease]) -> None:
        """Ask for a shard of a replica that has more; another time will do where that fails."""
        waiting = {mandate.shard for mandate in self._mandates if mandate.is_waiting}
        shard = shard_to_claim(self._office.identity, waiting, board)
        if shard is not None:
            with suppress(KeeperError, TimeoutError):
                async with asyncio.timeout(self._office.pace.renew_s):
                    await self._office.store.write(shard, board[shard].noting(**{CLAIM: self._office.identity}))
