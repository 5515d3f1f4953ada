"""When the chain's nonces do not fit a flight: whom to believe, and how to go on with no gap and no reuse."""

from keeper.domain.errors import KeeperError
from keeper.domain.transaction import Attempt, Ended, Fate, Flight, Renumbered, State
from keeper.pipeline.flights import Flights
from keeper.pipeline.watching import Watcher


class NonceRepair:
    """Mends one flight at a time; the others keep their nonces."""

    def __init__(self, flights: Flights, watcher: Watcher) -> None:
        self._flights = flights
        self._watcher = watcher
        self._config = flights.config
        self._chain = flights.outside.chain
        self._view = flights.view

    async def misnumbered(self, flight: Flight, attempt: Attempt, text: str) -> Flight:
        """A node says that the nonce is not the next one: believe it only where the chain agrees.

        The refused bytes themselves may have used it, where something on their way has handed them over twice.
        """
        mined = await self._chain.mined_nonces()
        if flight.out or min(mined) > flight.nonce:
            flight = await self._watcher.inquire(flight, widely=True)
            if flight.receipt is not None:
                return flight
        if min(mined) > flight.nonce:
            return await self._used_by_a_stranger(flight, attempt, min(mined))
        reached = self._flights.nonce_reached(max(mined), flight)
        if reached < flight.nonce and self._is_alone and not flight.out:
            return await self._renumber(flight, attempt, reached)
        return await self._flights.stumble(flight, text, attempt, fate=Fate.REFUSED)

    async def outbid(self, flight: Flight, attempt: Attempt, text: str) -> Flight:
        """A node holds a transaction at this nonce that pays more: where ours is behind the account, renumber."""
        reached = self._flights.nonce_reached(max(await self._chain.mined_nonces()), flight)
        if reached < flight.nonce and self._is_alone and not flight.out:
            return await self._renumber(flight, attempt, reached)
        outbid = await self._flights.stumble(flight, text, attempt, fate=Fate.OUTBID, at_once=True)
        return await self.check_for_gap(outbid) if outbid.out else outbid

    async def check_for_gap(self, flight: Flight) -> Flight:
        """What had to be sent once more may wait behind a nonce that nobody will use."""
        try:
            mined = await self._chain.mined_nonces()
        except KeeperError:
            return flight
        reached = self._flights.nonce_reached(max(mined), flight)
        if reached >= flight.nonce:
            self._flights.trust(flight)
            return flight
        self._flights.doubt(flight, next_nonce=reached)
        if self._flights.is_aside(flight):
            return flight
        return await self._flights.stumble(flight, "it seems to wait behind a nonce that nobody uses")

    @property
    def _is_alone(self) -> bool:
        """Whether no other push is under way."""
        return self._flights.in_flight == 1

    async def _used_by_a_stranger(self, flight: Flight, attempt: Attempt, mined: int) -> Flight:
        """Receipts may lag behind nonces, and endpoints lie: what is out is given up when no reorganisation helps."""
        if not flight.out and self._is_alone:
            return await self._renumber(flight, attempt, mined)
        since = self._flights.doubted_since(flight)
        if flight.out and (since is None or self._view.head < since + self._config.rules.confirmations):
            self._flights.doubt(flight, next_nonce=max(mined, self._flights.nonces.next or 0))
            return await self._flights.stumble(flight, "its nonce seems to be used by another transaction")
        self._flights.nonces.skip_to(mined)
        return await self._flights.step(flight, Ended(State.SUPERSEDED), "superseded")

    async def _renumber(self, flight: Flight, attempt: Attempt, nonce: int) -> Flight:
        """Nothing of it is out and no other push is under way: go on with the account's real next nonce.

        Whoever used the other nonce may have written what this push is to bring. Another push may take off while that
        is read: then the nonce is that one's.
        """
        await self._view.read()
        if not self._is_alone:
            return await self._flights.stumble(flight, "another push has its nonce", attempt, fate=Fate.REFUSED)
        self._flights.nonces.restart_at(nonce + 1)
        return await self._flights.step(flight, Renumbered(nonce), "renumbered", detail=f"{flight.nonce} -> {nonce}")
