"""One process with many feeds and many networks: what it takes at rest, and how late the last network's push is."""

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from time import perf_counter

from bench import programs
from bench.events import PriceEvent, Tape, record
from bench.node import CHAIN_ID, ScriptedNode
from bench.programs import Program
from bench.stage import Reception, Stage, turn_for, turn_until
from bench.tables import median, p99, table

EVENTS_PER_S = 2.5
SHAPES = ((100, 1), (500, 1), (2_000, 1), (500, 5), (500, 20))
"""Feeds and networks."""
_START_PATIENCE_S = 60.0
_PUSH_PATIENCE_S = 10.0
_SETTLE_S = 3.0
_MS = 1000
_MB = 10**6


@dataclass(frozen=True, slots=True)
class Run:
    """A keeper and all that it talks to: the first stage is Hermes as well."""

    selector: Reception
    stages: Sequence[Stage]
    program: Program

    def quiet(self, event: PriceEvent) -> None:
        """Publish an event of which nothing follows."""
        self.stages[0].publish(event)

    def push(self, event: PriceEvent) -> list[float]:
        """Publish an event, and wait for the transactions of all networks: after so many milliseconds each."""
        for stage in self.stages:
            stage.received_at = None
        started_at = self.stages[0].publish(event)
        try:
            turn_until(
                self.selector,
                lambda: all(stage.received_at is not None for stage in self.stages),
                timeout_s=_PUSH_PATIENCE_S,
            )
        except TimeoutError:
            raise self.program.failure(f"does not push {event.due} everywhere") from None
        return [(stage.received_at - started_at) * _MS for stage in self.stages if stage.received_at is not None]


@dataclass(frozen=True, slots=True)
class Use:
    """What the process took in one phase."""

    cpu_percent: float
    """Of one core."""
    rss_mb: float
    latencies_ms: Sequence[float]


def scale_table(*, seconds: float) -> str:
    """The table; each of a row's two phases takes so many seconds."""
    head = ("Feeds", "Networks", "CPU idle", "CPU pushing", "RSS", "Push p50", "Push p99")
    return table(head, [_row(feeds, networks, seconds) for feeds, networks in SHAPES])


def _row(feeds: int, networks: int, seconds: float) -> list[str]:
    count = int(seconds * EVENTS_PER_S)
    tape = record(feeds, 2 * count, quiet=count)
    with _running(tape, networks) as run:
        idle = _phase(run, tape.events[:count])
        busy = _phase(run, tape.events[count:])
        pushes = {len(stage.node.pushes) for stage in run.stages}
    if pushes != {count}:
        raise RuntimeError(f"{count} pushes were expected of each network, not {pushes}")
    latencies = busy.latencies_ms
    return [
        f"{feeds:,}",
        str(networks),
        f"{idle.cpu_percent:.1f} %",
        f"{busy.cpu_percent:.1f} %",
        f"{busy.rss_mb:.0f} MB",
        f"{median(latencies):.1f} ms",
        f"{p99(latencies):.1f} ms",
    ]


@contextmanager
def _running(tape: Tape, networks: int) -> Iterator[Run]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        selector = stack.enter_context(Reception())
        stages = [
            Stage(selector, ScriptedNode(dict(tape.on_chain), CHAIN_ID + number), tape.opening)
            for number in range(networks)
        ]
        for stage in stages:
            stack.callback(stage.close)
        program = stack.enter_context(
            programs.keeper_of_networks(
                folder,
                hermes=stages[0].address,
                rpcs=[stage.address for stage in stages],
                feeds=list(tape.on_chain),
            )
        )

        def listens() -> bool:
            program.check()
            return stages[0].streams

        turn_until(selector, listens, timeout_s=_START_PATIENCE_S)
        turn_for(selector, _SETTLE_S)
        yield Run(selector, stages, program)


def _phase(run: Run, events: Sequence[PriceEvent]) -> Use:
    program = run.program
    memory: list[int] = []
    latencies: list[list[float]] = []
    before_s, started = program.cpu_s(), perf_counter()
    for number, event in enumerate(events, start=1):
        if event.due is None:
            run.quiet(event)
        else:
            latencies.append(run.push(event))
        turn_for(run.selector, started + number / EVENTS_PER_S - perf_counter())
        memory.append(program.rss())
    cpu_percent = 100 * (program.cpu_s() - before_s) / (perf_counter() - started)
    return Use(cpu_percent, statistics.median(memory) / _MB, list(chain.from_iterable(latencies)))
