"""From the last byte of a price event to the raw transaction that it causes, ours beside the floor."""

import gc
import selectors
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import programs
from bench.events import PriceEvent, Tape, record
from bench.node import ScriptedNode
from bench.stage import Stage, turn_for, turn_until
from bench.tables import median, p99, table

FEED_COUNTS = (1, 10, 100, 500)

_START_PATIENCE_S = 30.0
_PUSH_PATIENCE_S = 5.0
_REST_S = 0.02
"""Between one measurement and the next, so that neither hears the other's work."""
_MS = 1000


class Runner:
    """One program on its stage, and what was measured of it."""

    def __init__(self, selector: selectors.BaseSelector, tape: Tape) -> None:
        self.stage = Stage(selector, ScriptedNode(dict(tape.on_chain)), tape.opening)
        self.latencies_ms: list[float] = []
        self._selector = selector

    def measure(self, event: PriceEvent) -> None:
        """Publish an event, and take the time until its transaction is here."""
        stage, node = self.stage, self.stage.node
        pushes = len(node.pushes)
        written_at = stage.publish(event)
        turn_until(self._selector, lambda: stage.received_at is not None, timeout_s=_PUSH_PATIENCE_S)
        assert stage.received_at is not None
        self.latencies_ms.append((stage.received_at - written_at) * _MS)
        turn_for(self._selector, _REST_S)
        push = node.pushes[-1]
        if len(node.pushes) != pushes + 1 or push.feeds != (event.due,):
            raise RuntimeError(f"one push of {event.due} was expected, {node.pushes[pushes:]} came")
        if push.nonce != pushes or push.value != 1 or push.sender != programs.SENDER:
            raise RuntimeError(f"the push of {event.due} is signed or paid for in a wrong way")


def latency_table(*, samples: int, warm_up: int, feed_counts: Sequence[int] = FEED_COUNTS) -> str:
    """The table."""
    rows = [_row(feeds, samples, warm_up) for feeds in feed_counts]
    head = ("Feeds", "Event", "Keeper p50", "Keeper p99", "Floor p50", "Floor p99", "Keeper / floor (p50)")
    return table(head, rows)


def _row(feeds: int, samples: int, warm_up: int) -> list[str]:
    tape = record(feeds, samples + warm_up)
    ours, floor = _measured(tape)
    ours, floor = ours[warm_up:], floor[warm_up:]
    ratio = median(ours) / median(floor)
    numbers = (f"{number:.2f} ms" for number in (median(ours), p99(ours), median(floor), p99(floor)))
    return [str(feeds), f"{len(tape.opening.chunk) / 1000:.1f} kB", *numbers, f"{ratio:.2f}"]


def _measured(tape: Tape) -> tuple[list[float], list[float]]:
    """Latencies of the keeper and of the floor in milliseconds: the same events, each to one and then to the other."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        selector = stack.enter_context(selectors.DefaultSelector())
        ours, floor = Runner(selector, tape), Runner(selector, tape)
        stack.callback(ours.stage.close)
        stack.callback(floor.stage.close)
        address = ours.stage.address
        stack.enter_context(programs.keeper(folder, rpc=address, hermes=address, feeds=list(tape.on_chain)))
        stack.enter_context(programs.floor(folder, address=floor.stage.address, on_chain=tape.on_chain))
        turn_until(selector, lambda: ours.stage.streams and floor.stage.streams, timeout_s=_START_PATIENCE_S)
        turn_for(selector, 1.0)
        gc.collect()
        gc.freeze()
        for number, event in enumerate(tape.events):
            for runner in (ours, floor) if number % 2 else (floor, ours):
                runner.measure(event)
    return ours.latencies_ms, floor.latencies_ms
