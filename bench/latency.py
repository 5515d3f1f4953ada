"""From the write of a price event to the raw transaction that it causes, ours beside the floor."""

import asyncio
import gc
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from bench import programs
from bench.events import PriceEvent, Tape, record
from bench.node import ScriptedNode
from bench.programs import Program
from bench.stage import Reception, Stage, turn_for, turn_until
from bench.tables import median, p99, table
from tests.support.postgres import PostgresProcess, find

_START_PATIENCE_S = 30.0
_SETTLE_S = 0.7
"""Between the start of the stream and the first event: until the chain is read. Longer, and prices would be polled."""
_PUSH_PATIENCE_S = 5.0
_REST_S = 0.02
"""Between one measurement and the next, so that neither hears the other's work."""
_MS = 1000
_NO_OTHERS: Mapping[str, str] = MappingProxyType({})
_DEFAULT_JOURNAL = "SQLite, `normal`"
_FEEDS_OF_OTHER_JOURNALS = 10


@dataclass(slots=True)
class Runner:
    """One program on its stage, and what was measured of it."""

    selector: Reception
    stage: Stage
    program: Program
    latencies_ms: list[float] = field(default_factory=list)

    def measure(self, event: PriceEvent) -> None:
        """Publish an event, and take the time until its transaction is here."""
        stage, pushes = self.stage, self.stage.node.pushes
        before = len(pushes)
        started_at = stage.publish(event)
        try:
            turn_until(self.selector, lambda: stage.received_at is not None, timeout_s=_PUSH_PATIENCE_S)
        except TimeoutError:
            raise self.program.failure(f"does not push {event.due}") from None
        assert stage.received_at is not None
        self.latencies_ms.append((stage.received_at - started_at) * _MS)
        turn_for(self.selector, _REST_S)
        push = pushes[-1]
        if len(pushes) != before + 1 or push.feeds != (event.due,):
            raise RuntimeError(f"one push of {event.due} was expected, {[push.feeds for push in pushes[before:]]} came")
        if push.nonce != before or push.value != 1 or push.sender != programs.SENDER:
            raise RuntimeError(f"the push of {event.due} is signed or paid for in a wrong way")


def latency_table(*, feed_counts: Sequence[int], samples: int, warm_up: int) -> str:
    """The table: all numbers of feeds with the default journal, then ten feeds with each of the others."""
    head = ("Feeds", "Journal", "Event", "Keeper p50", "Keeper p99", "Floor p50", "Floor p99", "Keeper / floor (p50)")
    rows = [_row(feeds, samples, warm_up, _DEFAULT_JOURNAL) for feeds in feed_counts]
    rows.append(_row(_FEEDS_OF_OTHER_JOURNALS, samples, warm_up, "SQLite, `full`", JOURNAL_SYNC="full"))
    if find("initdb") is not None:
        with PostgresProcess(durable=True) as postgres:
            url = asyncio.run(postgres.new_database())
            rows.append(_row(_FEEDS_OF_OTHER_JOURNALS, samples, warm_up, "PostgreSQL", JOURNAL_URL=url))
    return table(head, rows)


def _row(feeds: int, samples: int, warm_up: int, journal: str, **settings: str) -> list[str]:
    tape = record(feeds, samples + warm_up)
    with side_by_side(tape, settings=settings) as (keeper, floor):
        for number, event in enumerate(tape.events):
            for runner in (keeper, floor) if number % 2 else (floor, keeper):
                runner.measure(event)
    ours, floors = keeper.latencies_ms[warm_up:], floor.latencies_ms[warm_up:]
    numbers = (f"{number:.2f} ms" for number in (median(ours), p99(ours), median(floors), p99(floors)))
    ratio = median(ours) / median(floors)
    return [str(feeds), journal, f"{len(tape.opening.chunk()) / 1000:.1f} kB", *numbers, f"{ratio:.2f}"]


@contextmanager
def side_by_side(
    tape: Tape, *, metrics_port: int = 0, settings: Mapping[str, str] = _NO_OTHERS
) -> Iterator[tuple[Runner, Runner]]:
    """The keeper, with these settings, and the floor, both ready for the events of the tape."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        selector = stack.enter_context(Reception())
        stages = [Stage(selector, ScriptedNode(dict(tape.on_chain)), tape.opening) for _ in range(2)]
        for stage in stages:
            stack.callback(stage.close)
        address, feeds = stages[0].address, list(tape.on_chain)
        keeper = programs.keeper(
            folder, rpc=address, hermes=address, feeds=feeds, metrics_port=metrics_port, **settings
        )
        floor = programs.floor(folder, address=stages[1].address, on_chain=tape.on_chain)
        started = [stack.enter_context(program) for program in (keeper, floor)]

        def both_listen() -> bool:
            for program in started:
                program.check()
            return all(stage.streams for stage in stages)

        turn_until(selector, both_listen, timeout_s=_START_PATIENCE_S)
        turn_for(selector, _SETTLE_S)
        gc.collect()
        gc.freeze()
        ours, theirs = (Runner(selector, stage, program) for stage, program in zip(stages, started, strict=True))
        yield ours, theirs
