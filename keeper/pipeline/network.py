"""One network's whole story: prices come in, due feeds go out, the chain says what became of them.

source ──▶ take ──▶ Buffer ─┐
                            ├─▶ Planner ─▶ Plan ─▶ Submitter ─▶ chain
chain ───▶ OnChainView ─────┘      (what is due, when Debounce lets it go)   │
               ▲──────────────────── receipts ──────────────────────────────┘
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Never

from eth_utils.address import to_checksum_address

from keeper.domain.errors import KeeperError
from keeper.domain.events import (
    ChainRead,
    ChainReadFailed,
    Event,
    ForceRequested,
    NothingToPush,
    PushFinished,
    PushPlanned,
)
from keeper.domain.policy import FeedPolicy
from keeper.domain.status import NetworkStatus
from keeper.domain.transaction import Outcome
from keeper.domain.units import FeedId
from keeper.pipeline.backoff import Backoff
from keeper.pipeline.buffer import Buffer
from keeper.pipeline.debounce import Debounce, DebounceMode
from keeper.pipeline.feed_report import FeedReport
from keeper.pipeline.ledger import Ledger
from keeper.pipeline.planner import Planner, Survey
from keeper.pipeline.submitter import RetryPolicy, Submitter, Target
from keeper.pipeline.tracker import OnChainView
from keeper.ports import Chain, Clock, Emit, PriceEvent, Signer

_LOOK_AGAIN_S = 1.0
"""Feeds fall due by time as well: judged at least this often, events or none."""
_TIMER_GRAIN_S = 0.001
"""No timer is finer: a wait that would be shorter is over."""
_FORCE_PATIENCE_S = 2.0
"""How long a forced update waits for a price newer than the one on chain."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """What one network is told; times in seconds."""

    target: Target
    aliases: Mapping[FeedId, str]
    """What to call each feed: one name for every feed of `policies`."""
    policies: Mapping[FeedId, FeedPolicy]
    debounce_s: float
    debounce_mode: DebounceMode
    force_interval_s: float
    """0 is never."""
    poll_interval_s: float
    retry: RetryPolicy
    dry_run: bool


class Network:
    """Keeps the feeds of one contract on one chain fresh with one account."""

    def __init__(self, *, config: NetworkConfig, chain: Chain, signer: Signer, clock: Clock, emit: Emit) -> None:
        feeds = tuple(config.policies)
        self._config = config
        self._chain = chain
        self._signer = signer
        self._clock = clock
        self._emit = emit
        self._buffer = Buffer(feeds)
        self._view = OnChainView(chain=chain, feeds=feeds, buffer=self._buffer)
        self._planner = Planner(policies=config.policies, buffer=self._buffer, view=self._view)
        self._debounce = Debounce(window_s=config.debounce_s, mode=config.debounce_mode)
        self._ledger = Ledger()
        self._feeds = FeedReport(
            aliases=config.aliases,
            buffer=self._buffer,
            view=self._view,
            planner=self._planner,
            ledger=self._ledger,
            clock=clock,
        )
        self._submitter = Submitter(
            target=config.target,
            chain=chain,
            signer=signer,
            view=self._view,
            clock=clock,
            retry=config.retry,
            tell=self._tell,
        )
        self._news = asyncio.Event()
        self._forced: frozenset[FeedId] = frozenset()
        self._force_origin = ""
        self._force_until = 0.0
        self._backoff = Backoff(first_s=config.retry.delay_s)
        self._pushes = 0
        self._stopping = False
        self._ready = False
        self._trouble = "the chain was not read yet"

    @property
    def name(self) -> str:
        """What logs and metrics call it."""
        return self._config.target.network

    # What comes in

    def take(self, event: PriceEvent) -> None:
        """New prices."""
        self._buffer.take(event)
        self._news.set()

    def force(self, origin: str) -> None:
        """Update all feeds now, whatever their thresholds say; `origin` is `timer`, `signal` or `control`."""
        self._tell(ForceRequested(self.name, origin))
        self._forced = frozenset(self._config.policies)
        self._force_origin = origin
        self._force_until = self._clock.monotonic() + _FORCE_PATIENCE_S
        self._news.set()

    def stop(self) -> None:
        """Start nothing new; `run` returns once what is in flight has landed."""
        self._stopping = True
        self._news.set()

    # The flow

    async def run(self) -> None:
        """Until `stop`: read the chain, then push whatever falls due. Cancelled, it tells what stays in flight."""
        try:
            await self._get_ready()
            async with asyncio.TaskGroup() as group:
                side_tasks = [group.create_task(self._poll_forever(), name=f"poll {self.name}")]
                if self._config.force_interval_s:
                    side_tasks.append(group.create_task(self._force_forever(), name=f"force timer {self.name}"))
                await self._push_until_stopped()
                for task in side_tasks:
                    task.cancel()
        finally:
            left = self._submitter.abandon()
            if left is not None:
                self._tell(left)

    async def _get_ready(self) -> None:
        """The first read, and the contract's terms by the first real update; retried until both work."""
        delay_s = self._config.retry.delay_s / 8
        while not self._stopping:
            try:
                if self._view.state is None:
                    await self._view.connect()
                    await self._read()
                if self._buffer.any() is not None:
                    await self._view.learn_terms()
                    self._ready, self._trouble = True, ""
                    return
                self._trouble = "no price has arrived yet"
                await self._await_news(until=self._clock.monotonic() + _LOOK_AGAIN_S)
            except KeeperError as exc:
                self._trouble = str(exc)
                self._tell(ChainReadFailed(self.name, str(exc)))
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, self._config.retry.delay_s)

    async def _push_until_stopped(self) -> None:
        while not self._stopping:
            survey = self._survey()
            moment = self._moment(any_due=bool(survey.due))
            if moment <= self._clock.monotonic() + _TIMER_GRAIN_S:
                await self._push(survey)
            else:
                await self._await_news(until=moment)

    def _survey(self) -> Survey:
        return self._planner.survey(self._clock.now(), self._forced)

    def _moment(self, *, any_due: bool) -> float:
        """When to push next as things stand, in monotonic seconds; past the next look while no feed is due."""
        now = self._clock.monotonic()
        if any_due:
            return now if self._forced else max(self._debounce.moment(now), self._backoff.until)
        if self._forced and now >= self._force_until:
            self._forced = frozenset()
            self._tell(NothingToPush(self.name, self._force_origin))
        self._debounce.calmed()
        return now + _LOOK_AGAIN_S

    async def _push(self, survey: Survey) -> None:
        """Plan, send, and account for what became of it."""
        refusal = ""
        if self._backoff.reverted:
            refusal = await self._refusal_foreseen()
            survey = self._survey()
        forced = self._forced
        plan = self._planner.plan(survey)
        if plan is None:
            return
        self._forced = frozenset() if plan.complete else forced - plan.prices.keys()
        if plan.complete:
            self._debounce.pushed(self._clock.monotonic())
        self._pushes += 1
        self._tell(
            PushPlanned(
                network=self.name,
                push=self._pushes,
                feeds=plan.feeds,
                gas=plan.gas_limit,
                update_fee=plan.value,
                dry_run=self._config.dry_run,
            )
        )
        if self._config.dry_run:
            self._view.pretend(plan.prices)
            return
        if refusal:
            finished = self._submitter.dropped(self._pushes, plan, refusal)
        else:
            finished = await self._submitter.submit(
                self._pushes,
                plan,
                lambda: self._planner.plan(self._planner.survey(self._clock.now(), forced | self._forced)),
            )
        self._backoff.note(finished.outcome, self._clock.monotonic())
        self._tell(finished)

    async def _refusal_foreseen(self) -> str:
        """After a revert, pushes are tried for free until one passes: the same fault is not paid for twice."""
        try:
            return (await self._view.learn_terms()).refusal
        except KeeperError as exc:
            return str(exc)

    # Beside the flow

    async def _poll_forever(self) -> Never:
        """Repair the view now and then."""
        while True:
            await asyncio.sleep(self._config.poll_interval_s)
            try:
                await self._read()
                await self._view.learn_terms()
                self._trouble = ""
            except KeeperError as exc:
                self._trouble = str(exc)
                self._tell(ChainReadFailed(self.name, str(exc)))

    async def _force_forever(self) -> Never:
        """Counted from the start: no burst at boot."""
        while True:
            await asyncio.sleep(self._config.force_interval_s)
            self.force("timer")

    async def _read(self) -> None:
        state = await self._view.read()
        if self._submitter.flight is None:
            self._submitter.nonces.sync(state.nonce)
        self._tell(ChainRead(network=self.name, block=state.block, balance=state.balance, nonce=state.nonce))

    async def _await_news(self, *, until: float) -> None:
        """Sleep until prices or orders arrive, or the moment (monotonic seconds) has come."""
        self._news.clear()
        try:
            async with asyncio.timeout(until - self._clock.monotonic()):
                await self._news.wait()
        except TimeoutError:
            return

    def _tell(self, event: Event) -> None:
        if isinstance(event, PushFinished):
            self._ledger.note(event, self._clock.now())
        self._emit(event)

    def status(self) -> NetworkStatus:
        """Everything about this network as of now."""
        return NetworkStatus(
            name=self.name,
            chain_id=self._view.known_chain_id,
            contract=to_checksum_address(self._config.target.contract),
            account=self._signer.address,
            dry_run=self._config.dry_run,
            ready=self._ready,
            detail=self._trouble or self._ledger.last_failure,
            block=self._view.block,
            balance=None if self._view.state is None else self._view.state.balance,
            nonce=self._submitter.nonces.known,
            in_flight=int(self._submitter.flight is not None),
            consecutive_failures=self._ledger.consecutive_failures,
            pushes={outcome: self._ledger.outcomes[outcome] for outcome in Outcome},
            spent_gas=self._ledger.spent_gas,
            spent_update_fees=self._ledger.spent_update_fees,
            last_push_at=self._ledger.last_push_at,
            endpoints=tuple(self._chain.endpoints()),
            rpc_calls=dict(self._chain.calls()),
            feeds=self._feeds,
        )
