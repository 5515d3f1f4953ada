"""The programs that are measured, each as a process of its own."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from bench.node import BASE_FEE, CHAIN_ID, CONTRACT, TIP
from keeper.domain.price import Price
from keeper.domain.units import FeedId
from keeper.lab.anvil import DEV_ADDRESS, DEV_PRIVATE_KEY

SENDER = DEV_ADDRESS
THRESHOLD_PPM = 100
"""What `MIN_PRICE_CHANGE_PERCENT` is by default."""
DAY_S = 86_400

_ROOT = Path(__file__).parent.parent
_STOP_PATIENCE_S = 20
_LAST_WORDS = 2_000


@dataclass(frozen=True, slots=True)
class Program:
    """A process that runs, and where it logs to."""

    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raises RuntimeError where it has ended, with its last words."""
        if self.process.poll() is not None:
            raise self.failure(f"has ended with {self.process.returncode}")

    def cpu_s(self) -> float:
        """Processor time that it has taken so far, in seconds."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def rss(self) -> int:
        """Memory that it holds, in bytes."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def failure(self, what: str) -> RuntimeError:
        """What to raise where it does not do what it should."""
        return RuntimeError(f"the {self.log.stem} {what}; {self.log.read_text(errors='replace')[-_LAST_WORDS:]}")


@contextmanager
def keeper(
    folder: Path,
    *,
    rpc: str,
    hermes: str,
    feeds: Sequence[FeedId],
    contract: str = CONTRACT,
    metrics_port: int = 0,
    **settings: str,
) -> Iterator[Program]:
    """`keeper run` with the settings of production; nothing forced, no debounce and no heartbeat unless told so."""
    environment = _environment(folder, hermes, feeds) | {
        "RPC_URL": f"http://{rpc}",
        "CONTRACT_ADDRESS": contract,
        "METRICS_PORT": str(metrics_port),
        **settings,
    }
    command = [sys.executable, "-m", "keeper", "run"]
    with _running(command, folder, log=folder / "keeper.log", environment=environment) as program:
        yield program


@contextmanager
def keeper_of_networks(folder: Path, *, rpcs: Sequence[str], hermes: str, feeds: Sequence[FeedId]) -> Iterator[Program]:
    """The same for several networks, each with an RPC node of its own."""
    networks = [
        {"name": f"chain-{number}", "rpc_url": f"http://{rpc}", "contract_address": CONTRACT}
        for number, rpc in enumerate(rpcs, start=1)
    ]
    config = folder / "keeper.yaml"
    config.write_text(yaml.safe_dump({"networks": networks}), encoding="utf-8")
    command = [sys.executable, "-m", "keeper", "run", "--config", str(config)]
    environment = _environment(folder, hermes, feeds) | {"METRICS_PORT": "0"}
    with _running(command, folder, log=folder / "keeper.log", environment=environment) as program:
        yield program


def _environment(folder: Path, hermes: str, feeds: Sequence[FeedId]) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(_ROOT),
        "TMPDIR": str(folder),
        "PRIVATE_KEY": DEV_PRIVATE_KEY.hex(),
        "HERMES_URL": f"http://{hermes}",
        "PRICE_FEED_IDS": ",".join(feeds),
        "DEBOUNCE_MS": "0",
        "MAX_STALENESS": str(DAY_S),
        "FORCE_UPDATE_INTERVAL_MS": "0",
    }


@contextmanager
def floor(folder: Path, *, address: str, on_chain: dict[FeedId, Price]) -> Iterator[Program]:
    """`bench.floor`, told what the keeper finds out by itself."""
    job = {
        "rpc_host": address,
        "hermes_host": address,
        "stream_path": "/v2/updates/price/stream?encoding=base64&parsed=false",
        "on_chain": {feed: (price.price, price.expo, price.publish_time) for feed, price in on_chain.items()},
        "threshold_ppm": THRESHOLD_PPM,
        "max_staleness_s": DAY_S,
        "private_key": DEV_PRIVATE_KEY.hex(),
        "contract": CONTRACT[2:],
        "chain_id": CHAIN_ID,
        "tip": TIP,
        "fee_cap": 2 * BASE_FEE + TIP,
        "nonce": 0,
    }
    command = [sys.executable, "-m", "bench.floor"]
    with _running(command, _ROOT, log=folder / "floor.log", given=json.dumps(job).encode()) as program:
        yield program


@contextmanager
def _running(
    command: Sequence[str], folder: Path, *, log: Path, given: bytes = b"", environment: dict[str, str] | None = None
) -> Iterator[Program]:
    """The command with its output in a log; at the end it is stopped, and RuntimeError raised where it had ended."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=stream, stderr=stream
        )
    program = Program(process, log)
    try:
        assert process.stdin is not None
        with process.stdin as stdin:
            stdin.write(given)
        yield program
        program.check()
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
