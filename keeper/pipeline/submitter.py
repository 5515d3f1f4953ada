"""Flies the pushes of one account: drives the state machine of `keeper.domain.transaction`.

Every push reserves a nonce, and a task flies it: `decide` says what to do, the task does it, `advance` says what came
of it. Each step goes to the journal before the next, and signed bytes are there before they leave the process.

    Submitter.fly ── decide ──▶ Sender (sign, journal, broadcast; NonceRepair where nonces do not fit)
         ▲                 └──▶ Watcher (receipts, reorganisations, finality)
         └──── Flights (the books: what is under way, every step in the journal) ◀──┘
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias, assert_never

from keeper.domain.events import PushFinished
from keeper.domain.plan import Plan
from keeper.domain.transaction import ENDED, Action, Ended, Flight, State, decide, recovered, turns_on_what_is_due
from keeper.domain.units import Wei
from keeper.pipeline.config import SubmitConfig
from keeper.pipeline.flights import Flights
from keeper.pipeline.nonce_repair import NonceRepair
from keeper.pipeline.sending import Sender
from keeper.pipeline.tracker import OnChainView
from keeper.pipeline.watching import Watcher
from keeper.ports import Outside, Recovered

Replan: TypeAlias = Callable[[], Plan | None]
"""What is due now."""


class Submitter:
    """What the flow asks of the transaction engine."""

    def __init__(
        self, *, config: SubmitConfig, outside: Outside, view: OnChainView, landed: Callable[[PushFinished], None]
    ) -> None:
        self._config = config
        self._outside = outside
        self._view = view
        self._landed = landed
        self._flights = Flights(config=config, outside=outside, view=view)
        self._watcher = Watcher(self._flights, landed=landed)
        self._sender = Sender(self._flights, NonceRepair(self._flights, self._watcher))

    @property
    def next_nonce(self) -> int | None:
        """The one to be handed out next; None before it is known."""
        return self._flights.nonces.next

    @property
    def in_flight(self) -> int:
        """How many nonces are neither mined nor given back; without pushes set aside."""
        return self._flights.in_flight

    @property
    def longest_wait_s(self) -> float:
        """How long the oldest transaction that a node may hold has not been mined; 0 while there is none."""
        return self._flights.longest_wait_s

    @property
    def unverified(self) -> bool:
        """Whether something recovered was not found at a node yet: new work waits for it."""
        return any(flight.state is State.UNCERTAIN for flight in self._flights.under_way)

    async def begin_term(self) -> None:
        """From now on nobody else writes to the journal what becomes of the account's transactions."""
        await self._outside.journal.begin_term(self._flights.account)

    async def recover(self) -> Recovered:
        """Take over what an earlier process left in the journal, and go on from the nonce that the chain tells."""
        left = await self._outside.journal.recover(self._flights.account)
        self._flights.nonces.restart_at(min(await self._outside.chain.mined_nonces()))
        flights = [recovered(flight, self._flights.now, self._view.head) for flight in left.flights]
        self._flights.take_over(flights)
        for flight in flights:
            if flight.out and flight.receipt is None and flight.newest.plan is not None:
                self._view.expect(flight.push, flight.newest.plan.prices)
        return Recovered(flights, left.last_push)

    async def heard_of(self, mined: int) -> None:
        """By the word of one endpoint so many transactions are mined: a jump needs that of another one.

        Where there is no other, the next transaction will tell: it is refused if its nonce is used.
        """
        if self._flights.nonces.next is not None and mined > self._flights.nonces.next:
            told = await self._outside.chain.mined_nonces()
            if len(told) > 1:
                self._flights.nonces.skip_to(min(mined, *told))

    async def spent_since(self, at: float) -> Wei:
        """Cost of the account's transactions mined since then, Unix seconds, by the journal."""
        return await self._outside.journal.spent(self._flights.account, at)

    def reserve(self, push: int, plan: Plan) -> Flight:
        """A nonce for a push."""
        self._view.expect(push, plan.prices)
        return self._flights.reserve(push)

    def is_ours(self, tx_hash: bytes) -> bool:
        """Whether it was signed here, not too long ago."""
        return self._flights.is_ours(tx_hash)

    def stir(self) -> None:
        """Something happened on chain: every flight looks now."""
        self._watcher.stir()

    def reorganised(self) -> None:
        """Blocks were taken back: receipts are to be checked."""
        self._watcher.reorganised()

    def told(self, tx_hash: bytes) -> None:
        """The chain told what this transaction stored."""
        self._watcher.told(tx_hash)

    async def fly(self, flight: Flight, replan: Replan, *, plan: Plan | None = None) -> None:
        """See the flight through to its end; `plan` is what its first attempt carries."""
        if flight.out:
            flight = await self._watcher.look(flight)
        while flight.state not in ENDED:
            world = self._flights.world(flight, wanted=False)
            fresh = plan or (replan() if turns_on_what_is_due(flight, world, self._config.rules) else None)
            plan = None
            action = decide(flight, replace(world, wanted=fresh is not None), self._config.rules)
            flight = await self._act(action, flight, fresh)
        self._flights.close(flight)
        self._watcher.close(flight)
        if flight.end is not State.FINAL:
            self._landed(self._flights.finished(flight))

    async def _act(self, action: Action, flight: Flight, fresh: Plan | None) -> Flight:
        match action:
            case Action.SIGN:
                assert fresh is not None
                return await self._sender.sign(flight, fresh)
            case Action.CANCEL:
                return await self._sender.sign(flight, None)
            case Action.SEND:
                return await self._sender.send(flight, flight.newest)
            case Action.WAIT:
                return await self._watcher.wait(flight)
            case Action.SETTLE:
                return await self._watcher.settle(flight)
            case Action.RELEASE:
                self._flights.nonces.release(flight.nonce)
                return await self._flights.step(flight, Ended(State.RELEASED), "released")
            case Action.NONE:
                return flight
            case _:
                assert_never(action)

    def forget(self) -> None:
        """Nothing is under way any more: whoever may send settles it."""
        for flight in self._flights.all:
            self._watcher.close(flight)
            self._view.forget(flight.push)
        self._flights.take_over(())

    def abandon(self) -> list[PushFinished]:
        """The keeper stops: what is in flight stays with the chain and in the journal."""
        left = (flight for flight in self._flights.all if flight.out and flight.receipt is None)
        return [self._flights.finished(flight) for flight in left]
