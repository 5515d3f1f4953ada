"""Prometheus and Alertmanager as Debian ships them, in processes of our own."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from keeper.lab.downloads import cache_folder
from tests.support.debian import can_install, unpack
from tests.support.waiting import wait_until

HOW_TO_INSTALL = "Prometheus is not installed; enable with: ./deploy.sh test, as root on Debian"

_SUITE = "bookworm"
_FOLDER = cache_folder() / f"prometheus-{_SUITE}"
_PACKAGES = {"prometheus": ("prometheus", "promtool"), "prometheus-alertmanager": ("prometheus-alertmanager", "amtool")}
_TEMPLATES = Path("usr/share/prometheus/alertmanager")
"""Debian's Alertmanager reads them there, and does not start without them."""
_START_S = 20.0


def is_installed() -> bool:
    """Whether all programs are there."""
    programs = all(program(name).is_file() for names in _PACKAGES.values() for name in names)
    return programs and (Path("/") / _TEMPLATES / "email.tmpl").is_file()


def ensure() -> None:
    """Take them out of Debian's packages; neither is installed, so neither is started."""
    if is_installed() or not can_install():
        return
    sys.stderr.write("fetching Prometheus and Alertmanager (apt-get download)\n")
    _FOLDER.mkdir(parents=True, exist_ok=True)
    for package, programs in _PACKAGES.items():
        with tempfile.TemporaryDirectory() as name:
            unpack(package, suite=_SUITE, folder=Path(name))
            for each in programs:
                part = program(each).with_suffix(".part")
                shutil.copy(Path(name) / "usr/bin" / each, part)
                part.rename(program(each))
            if (Path(name) / _TEMPLATES).is_dir():
                shutil.copytree(Path(name) / _TEMPLATES, Path("/") / _TEMPLATES, dirs_exist_ok=True)


def program(name: str) -> Path:
    """Where one of them is."""
    return _FOLDER / name


def promtool(*arguments: str | Path, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run promtool."""
    command = [program("promtool"), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)


@dataclass(frozen=True)
class Prometheus:
    """A server that scrapes."""

    url: str
    session: aiohttp.ClientSession

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now; an error of the expression fails the test."""
        async with self.session.post(f"{self.url}/api/v1/query", data={"query": expression}) as response:
            answer = await response.json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        result = answer["data"]["result"]
        return result if answer["data"]["resultType"] == "vector" else [{"value": result}]

    async def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        return {row["metric"]["alertname"] for row in await self.query('ALERTS{alertstate="firing"}')}


@asynccontextmanager
async def prometheus_running(config: str, folder: Path, port: int) -> AsyncIterator[Prometheus]:
    """Prometheus with this configuration, its data in the folder."""
    (folder / "prometheus.yml").write_text(config)
    arguments = [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    async with _process("prometheus", arguments, folder), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}"
        await wait_until(lambda: _answers(session, f"{url}/-/ready"), timeout_s=_START_S)
        yield Prometheus(url, session)


@asynccontextmanager
async def alertmanager_running(config: str, folder: Path, port: int) -> AsyncIterator[str]:
    """Alertmanager with this configuration; its URL."""
    (folder / "alertmanager.yml").write_text(config)
    arguments = [
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alerts'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    async with _process("prometheus-alertmanager", arguments, folder), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}"
        await wait_until(lambda: _answers(session, f"{url}/-/ready"), timeout_s=_START_S)
        yield url


@asynccontextmanager
async def _process(name: str, arguments: list[str], folder: Path) -> AsyncIterator[None]:
    with (folder / f"{name}.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(program(name), *arguments, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
