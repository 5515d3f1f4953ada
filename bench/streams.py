"""What the event streams cost: the latency of pushes with and without clients, and a broadcast to very many."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import programs
from bench.events import Tape, record
from bench.latency import Runner
from bench.node import ScriptedNode
from bench.programs import free_port
from bench.stage import Reception, Stage, turn_for, turn_until
from bench.tables import median, p99, table

FEEDS = 10
MESSAGES = 60
"""Pushes told to each client while broadcasts are measured."""
_ROOT = Path(__file__).parent.parent
_PER_PROCESS = 5_000
_PATIENCE_S = 60.0
_SETTLE_S = 1.0
_TOLD_S = 0.1
"""Until clients have read of a push: no window of a preset is shorter."""
_MS, _KB = 1000, 1000
_OFF = {"ENABLE_EVENT_STREAMING": "false"}
_PATIENT = {"HERMES_SILENCE_MS": "600000"}
"""While very many clients come, no price does."""


@dataclass(slots=True)
class Listeners:
    """Clients in processes of their own."""

    count: int
    processes: list["subprocess.Popen[bytes]"]

    def are_ready(self, selector: Reception) -> None:
        """Wait, while the stage is served."""
        for process in self.processes:
            assert process.stdout is not None
            if (line := _read_line(process, selector)) != b"ready\n":
                raise RuntimeError(f"clients did not come to listen: {line!r}")

    def results(self) -> list[dict[str, object]]:
        """What they got; they end."""
        told = [process.communicate(timeout=_PATIENCE_S)[0] for process in self.processes]
        return [json.loads(each) for each in told]


def _read_line(process: "subprocess.Popen[bytes]", selector: Reception) -> bytes:
    assert process.stdout is not None
    lines: list[bytes] = []
    stdout = process.stdout
    selector.register(stdout, 1, lambda: lines.append(stdout.readline()))
    try:
        turn_until(selector, lambda: lines, timeout_s=_PATIENCE_S)
    finally:
        selector.unregister(stdout)
    return lines[0]


@contextmanager
def listening(port: int, clients: int, query: str) -> Iterator[Listeners]:
    """So many clients, half of each way."""
    shares = [min(_PER_PROCESS, clients - first) for first in range(0, clients, _PER_PROCESS)]
    command = [sys.executable, "-m", "bench.listeners", f"127.0.0.1:{port}"]
    processes = [
        subprocess.Popen(
            [*command, str(share), query, str(number)], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for number, share in enumerate(shares)
    ]
    try:
        yield Listeners(clients, processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()


@contextmanager
def keepers(tape: Tape, *settings: dict[str, str]) -> Iterator[tuple[Sequence[Runner], Sequence[int]]]:
    """A keeper with each of these settings, each on a stage of its own, and their ports."""
    with ExitStack() as stack:
        selector = stack.enter_context(Reception())
        runners, ports = [], []
        for each in settings:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            stage = Stage(selector, ScriptedNode(dict(tape.on_chain)), tape.opening)
            stack.callback(stage.close)
            ports.append(free_port())
            program = stack.enter_context(
                programs.keeper(
                    folder,
                    rpc=stage.address,
                    hermes=stage.address,
                    feeds=list(tape.on_chain),
                    metrics_port=ports[-1],
                    **each,
                )
            )
            runners.append(Runner(selector, stage, program))
        turn_until(selector, lambda: all(runner.stage.streams for runner in runners), timeout_s=_PATIENCE_S)
        turn_for(selector, _SETTLE_S)
        yield runners, ports


def streams_table(*, samples: int, warm_up: int, clients: Sequence[int]) -> str:
    """Both tables."""
    latency = [_latency_row(listeners, samples, warm_up) for listeners in (0, 100)]
    head = ("Clients", "Off p50", "On p50", "On / off (p50)", "Off p99", "On p99", "Frames to each", "Lost")
    told = [_broadcast_row(count) for count in clients]
    told_head = ("Clients", "Keeper CPU a push", "Last client p50", "Last client p99", "Memory a client", "Lost")
    return f"{table(head, latency)}\n\n{table(told_head, told)}"


def _latency_row(clients: int, samples: int, warm_up: int) -> list[str]:
    """Two keepers side by side, one of them without streams."""
    tape = record(FEEDS, samples + warm_up)
    with keepers(tape, _OFF, {}) as ((off, on), (_, port)), listening(port, clients, "events=all") as listeners:
        listeners.are_ready(on.selector)
        for number, event in enumerate(tape.events):
            for runner in (off, on) if number % 2 else (on, off):
                runner.measure(event)
                turn_for(on.selector, _TOLD_S)
        turn_for(on.selector, _SETTLE_S)
        results = listeners.results()
    offs, ons = off.latencies_ms[warm_up:], on.latencies_ms[warm_up:]
    ratio = median(ons) / median(offs)
    frames, lost = _counted(results)
    each = f"{frames / clients:.0f}" if clients else ""
    numbers = (f"{number:.2f}" for number in (median(offs), median(ons)))
    tails = (f"{number:.2f} ms" for number in (p99(offs), p99(ons)))
    return [str(clients), *(f"{number} ms" for number in numbers), f"{ratio:.2f}", *tails, each, str(lost)]


def _counted(results: Sequence[dict[str, object]]) -> tuple[int, int]:
    """Frames that came, and those that did not."""

    def total(name: str) -> int:
        return sum(int(str(result[name])) for result in results)

    return total("frames"), total("missing") + total("dropped") + total("ended")


def _broadcast_row(clients: int) -> list[str]:
    """One keeper that pushes again and again, and its clients hear of every step of a push."""
    tape = record(FEEDS, MESSAGES + 10)
    with keepers(tape, _PATIENT) as ((keeper,), (port,)):
        for event in tape.events[:10]:
            keeper.measure(event)
        before = keeper.program.rss()
        with listening(port, clients, "events=push") as listeners:
            listeners.are_ready(keeper.selector)
            turn_for(keeper.selector, _SETTLE_S)
            memory, cpu_s = keeper.program.rss() - before, keeper.program.cpu_s()
            for event in tape.events[10:]:
                keeper.measure(event)
                turn_for(keeper.selector, max(0.1, clients / 10_000))
            cpu_s = keeper.program.cpu_s() - cpu_s
            turn_for(keeper.selector, _SETTLE_S)
            results = listeners.results()
    lags: dict[str, list[float]] = {}
    for result in results:
        told = result["lags_s"]
        assert isinstance(told, dict)
        for number, seconds in told.items():
            lags.setdefault(number, []).extend(seconds)
    last = [max(seconds) * _MS for seconds in lags.values()]
    lost = MESSAGES * clients - sum(map(len, lags.values()))
    return [
        f"{clients:,}",
        f"{cpu_s / MESSAGES * _MS:.1f} ms",
        f"{median(last):.0f} ms",
        f"{p99(last):.0f} ms",
        f"{memory / clients / _KB:.1f} KB",
        str(lost),
    ]
