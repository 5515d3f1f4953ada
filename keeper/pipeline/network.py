"""One network's whole story: prices come in, due feeds go out, the chain says what became of them.

source ──▶ take ──▶ Buffer ─┐
                            ├─▶ Planner ─▶ Plan ─▶ Submitter ─▶ chain
chain ───▶ OnChainView ─────┘      (what is due, when Debounce lets it go)   │
               ▲──────────────────── receipts ──────────────────────────────┘

Beside it: `parts.py`, what the network consists of; `leading.py`, who may send; `settling.py`, how a term begins;
`pushing.py`, one push.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Never

from keeper.domain.errors import JournalError, KeeperError, MandateLost
from keeper.domain.events import ForceRefused, ForceRequested, PushingPaused, PushingResumed
from keeper.domain.orders import Addressee, Pause
from keeper.domain.policy import FeedPolicy
from keeper.domain.status import NetworkStatus
from keeper.domain.units import FeedId
from keeper.pipeline.config import NetworkConfig
from keeper.pipeline.leading import Leading
from keeper.pipeline.parts import Parts
from keeper.pipeline.pushing import LOOK_AGAIN_S, Pushing
from keeper.pipeline.settling import Settling
from keeper.ports import Outside, PriceEvent

_TIMER_GRAIN_S = 0.001
"""No timer is finer: a wait that would be shorter is over."""


class Network:
    """Keeps the feeds of one contract on one chain fresh with one account."""

    def __init__(self, *, config: NetworkConfig, outside: Outside) -> None:
        self._config = config
        self._outside = outside
        self._parts = Parts(config=config, outside=outside)
        self._pushing = Pushing(self._parts)
        self._leading = Leading(self._parts, self._pushing)
        self._settling = Settling(self._parts, self._pushing, learn_whether_paused=self._learn_whether_paused)
        self._policies = config.policies

    @property
    def name(self) -> str:
        """What logs and metrics call it."""
        return self._parts.name

    @property
    def addressee(self) -> Addressee:
        """Whom orders are for."""
        return Addressee(self.name, self._outside.signer.address)

    @property
    def takes_requests(self) -> bool:
        """Whether a request that is given to it now would be heeded: not while another process sends."""
        return self._parts.ready and self._outside.mandate.status().held

    # What comes in

    def take(self, event: PriceEvent) -> None:
        """New prices."""
        if self._parts.buffer.take(event, self._parts.clock.now()):
            self._parts.news.set()

    def force(self, origin: str, feeds: Collection[FeedId] | None = None, *, by: str = "") -> None:
        """Update these feeds now, or all, whatever their thresholds say; `origin` is `timer`, `signal` or `control`."""
        parts = self._parts
        wanted = self._policies.keys() & (self._policies if feeds is None else feeds)
        if parts.pause is not None:
            parts.tell(ForceRefused(self.name, origin, len(wanted), by, parts.pause))
            return
        parts.tell(ForceRequested(self.name, origin, len(wanted), by))
        parts.forcing.add(wanted, origin, parts.clock.monotonic())
        parts.news.set()

    def heed(self, pause: Pause | None) -> None:
        """Plan nothing new while it is paused; what is in flight is seen to its end, with replacements."""
        parts = self._parts
        before, parts.pause = parts.pause, pause
        if pause is not None and pause != before:
            parts.forcing.forget()
            parts.tell(PushingPaused(self.name, pause))
        elif pause is None and before is not None:
            parts.tell(PushingResumed(self.name, before))
            parts.news.set()

    def adopt(self, policies: Mapping[FeedId, FeedPolicy], aliases: Mapping[FeedId, str]) -> None:
        """Keep these feeds by these policies from now on; new ones once the chain has told what it has of them."""
        parts = self._parts
        self._policies = policies
        parts.buffer.want(policies)
        parts.view.want(tuple(policies))
        parts.governor.adopt(policies)
        parts.freshness.adopt(policies)
        parts.report.feeds.adopt(aliases)
        parts.shadow.aliases = aliases
        self._pushing.judge_what_is_known()
        parts.upkeep.read_now()
        parts.news.set()

    def crashed(self, why: str) -> None:
        """`run` ended where nobody expected it, and is not called again at once."""
        self._parts.ready = False
        self._parts.upkeep.trouble = why

    def stop(self) -> None:
        """Start nothing new; `run` returns once what is in flight has landed."""
        self._parts.stopping = True
        self._parts.news.set()

    # The flow

    async def run(self) -> None:
        """Until `stop`: read the chain, settle what was left, then push whatever falls due.

        Cancelled, it tells what stays in flight. Nothing is sent without the mandate; who waits for it is ready.
        """
        try:
            await self._get_ready()
            async with asyncio.TaskGroup() as tasks:
                beside = self._start_beside(tasks)
                while await self._leading.may_send():
                    await self._send()
                for task in beside:
                    task.cancel()
        finally:
            self._parts.leave_flights()
            await self._outside.mandate.release()

    async def _get_ready(self) -> None:
        """The first read, and the contract's terms by the first real update."""
        parts = self._parts
        delay_s = self._config.submit.retry_delay_s / 8
        while not parts.stopping:
            try:
                if parts.view.state is None:
                    await parts.view.connect()
                    await parts.upkeep.read()
                if parts.buffer.any() is not None:
                    await parts.vetting.try_all()
                    return
                parts.upkeep.trouble = "no price has arrived yet"
                await parts.await_news(until=parts.clock.monotonic() + LOOK_AGAIN_S)
            except KeeperError as exc:
                parts.upkeep.failed(exc)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, self._config.submit.retry_delay_s)

    async def _send(self) -> None:
        """Settle what was left, then push whatever falls due: for as long as the mandate is held and not asked back."""
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = self._leading.watch(tasks)
                flights = [self._pushing.take_off(tasks, flight) for flight in await self._settling.settled()]
                await self._push_until_stopped(tasks, flights)
                await self._drained()
                for task in (*watching, *flights):
                    task.cancel()
        except* MandateLost as lost:
            self._parts.leave_flights()
            self._leading.stand_down(lost)
        else:
            await self._outside.mandate.release()

    async def _push_until_stopped(self, tasks: asyncio.TaskGroup, flights: list[asyncio.Task[None]]) -> None:
        parts, pushing = self._parts, self._pushing
        while not parts.stopping and not self._leading.yields:
            await pushing.learn_from_failures()
            if pushing.is_full:
                await parts.await_news(until=parts.clock.monotonic() + LOOK_AGAIN_S)
                if pushing.is_full:
                    pushing.watch_freshness()
                continue
            pushing.assess()
            survey = pushing.watch_freshness()
            parts.governor.hold(survey.withheld)
            moment = pushing.moment(any_due=bool(survey.due) and parts.pause is None)
            if moment <= parts.clock.monotonic() + _TIMER_GRAIN_S:
                flight = await pushing.next_flight()
                if flight is not None:
                    flights[:] = [task for task in flights if not task.done()]
                    flights.append(pushing.take_off(tasks, *flight))
            else:
                if parts.upkeep.fees_are_old and parts.planner.is_near(survey):
                    parts.upkeep.foresee_push()
                await parts.await_news(until=moment)

    async def _drained(self) -> None:
        while self._parts.submitter.in_flight:
            await self._parts.await_news(until=self._parts.clock.monotonic() + LOOK_AGAIN_S)

    async def _learn_whether_paused(self) -> None:
        """Where the journal may fail and does, pushes go on: a pause is heeded once it can be read."""
        try:
            standing = await self._outside.orders.look([self.addressee])
        except JournalError:
            if self._outside.journal.degraded:
                return
            raise
        self.heed(standing[self.addressee].pause)

    # Beside the flow

    def _start_beside(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        parts, name = self._parts, self.name
        beside = [
            tasks.create_task(parts.upkeep.poll_forever(), name=f"poll {name}"),
            tasks.create_task(parts.upkeep.ask_fees_forever(), name=f"fees {name}"),
            tasks.create_task(self._resume_forever(), name=f"resume {name}"),
            tasks.create_task(parts.vetting.try_forever(), name=f"try sources {name}"),
            tasks.create_task(self._follow(), name=f"follow {name}"),
        ]
        if self._config.force_interval_s:
            beside.append(tasks.create_task(self._force_forever(), name=f"force timer {name}"))
        return beside

    async def _follow(self) -> None:
        """By subscription, where that is offered and wanted; the polls go on in any case."""
        if not self._config.polls_only:
            await self._outside.chain.follow(self._parts.follower)
        self._parts.upkeep.tell_mode()

    async def _resume_forever(self) -> Never:
        """A push that no endpoint took is made up for as soon as one answers again, not when its backoff is over."""
        while True:
            await self._parts.unreached.wait()
            self._parts.unreached.clear()
            await self._outside.chain.recovered()
            self._parts.backoff.end()
            self._parts.news.set()

    async def _force_forever(self) -> Never:
        """Counted from the start: no burst at boot."""
        while True:
            await asyncio.sleep(self._config.force_interval_s)
            if self._outside.mandate.status().held:
                self.force("timer")

    def status(self) -> NetworkStatus:
        """Everything about this network as of now."""
        parts = self._parts
        status = replace(parts.report.status(ready=parts.ready), pause=parts.pause)
        return replace(status, shadow=parts.shadow.status()) if self._config.dry_run else status
