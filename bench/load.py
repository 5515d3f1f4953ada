"""What a steady stream of many feeds takes: processor time and memory, ours beside the floor."""

import statistics
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from bench.events import PriceEvent, record
from bench.latency import Runner, side_by_side
from bench.programs import free_port
from bench.stage import turn_for
from bench.tables import table

FEEDS = 500
EVENTS_PER_S = 2.5
_SCRAPE_EVERY = 25
"""Events between two scrapes of /metrics: 10 s."""
_MB = 10**6


@dataclass(frozen=True, slots=True)
class Use:
    """What one process took in one phase."""

    cpu_percent: float
    """Of one core."""
    rss_mb: float

    def cells(self) -> Sequence[str]:
        """Two cells of the table."""
        return f"{self.cpu_percent:.1f} %", f"{self.rss_mb:.0f} MB"


def load_table(*, seconds: float) -> str:
    """The table; each of its phases takes so many seconds."""
    count = int(seconds * EVENTS_PER_S)
    tape = record(FEEDS, 2 * count, quiet=count)
    port = free_port()
    rows = []
    with side_by_side(tape, metrics_port=port) as runners:
        phases = {"nothing due": tape.events[:count], "one push an event": tape.events[count:]}
        for name, events in phases.items():
            ours, floor = _phase(runners, events, scraped=f"http://127.0.0.1:{port}/metrics")
            rows.append([name, *ours.cells(), *floor.cells()])
        pushes = [len(runner.stage.node.pushes) for runner in runners]
    if pushes != [count, count]:
        raise RuntimeError(f"{count} pushes were expected of each, not {pushes}")
    return table(("Events", "Keeper CPU", "Keeper RSS", "Floor CPU", "Floor RSS"), rows)


def _phase(runners: Sequence[Runner], events: Sequence[PriceEvent], *, scraped: str) -> Iterator[Use]:
    """Both get every event, half an interval apart."""
    programs = [runner.program for runner in runners]
    used_before = [program.cpu_s() for program in programs]
    memory: list[list[int]] = [[] for _ in programs]
    started = perf_counter()
    step_s = 1 / EVENTS_PER_S / len(runners)
    steps = 0
    for number, event in enumerate(events):
        if number % _SCRAPE_EVERY == 0:
            threading.Thread(target=_scrape, args=(scraped,), name="scrape").start()
        for runner in runners:
            runner.stage.publish(event)
            steps += 1
            turn_for(runner.selector, started + steps * step_s - perf_counter())
        for program, seen in zip(programs, memory, strict=True):
            seen.append(program.rss())
    lasted_s = perf_counter() - started
    for program, before, seen in zip(programs, used_before, memory, strict=True):
        yield Use(100 * (program.cpu_s() - before) / lasted_s, statistics.median(seen) / _MB)


def _scrape(url: str) -> None:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
        answer.read()
