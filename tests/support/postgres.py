"""A PostgreSQL server of our own in a temporary folder, with a database for each test."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Self

import asyncpg

from tests.support.ports import free_port

PASSWORD = "a secret: of/many@signs"
QUOTED_PASSWORD = "a%20secret%3A%20of%2Fmany%40signs"
HOW_TO_INSTALL = "PostgreSQL is not installed; enable with: apt-get install postgresql"

_DEBIAN = Path("/usr/lib/postgresql")
_START_S = 60.0


def find(program: str) -> Path | None:
    """A program of PostgreSQL, on PATH or where Debian puts it."""
    on_path = shutil.which(program)
    if on_path is not None:
        return Path(on_path)
    return max(_DEBIAN.glob(f"*/bin/{program}"), key=lambda path: int(path.parts[-3]), default=None)


class PostgresProcess:
    """A server inside a `with`; a user of its own runs it where we are root, since it refuses to be run by root.

    Unless it is to be durable it does not wait for the disk: it is faster, and still survives its own end.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        self._databases = count(1)
        self._user = _ordinary_user()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="keeper-postgres-"))
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        password_file = self._folder / "password"
        password_file.write_text(PASSWORD)
        password_file.chmod(0o644)
        self._run("initdb", "--username=keeper", "--auth=scram-sha-256", f"--pwfile={password_file}", "--no-sync")
        self.port = free_port()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start, and wait until it accepts connections."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 30,
            "shared_buffers": "16MB",
            "fsync": "on" if self._durable else "off",
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        command: list[str | Path] = [_program("postgres"), "-D", self._data, *options]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, user=self._user, cwd=self._folder, stderr=log)
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL does not start: {(self._folder / 'log').read_text()}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT in order, at once; SIGQUIT as in a crash."""
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(how)
            try:
                process.wait(timeout=_START_S)
            finally:
                process.kill()  # of no effect on one that has ended

    def suspend(self, *, suspended: bool) -> None:
        """Make every process of the server stand still, or go on."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            with suppress(ProcessLookupError):  # a child may end meanwhile
                os.kill(pid, signal.SIGSTOP if suspended else signal.SIGCONT)

    async def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"journal_{next(self._databases)}_{secrets.token_hex(2)}"
        connection = await asyncpg.connect(self.url("postgres"))
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()
        return self.url(name)

    def url(self, database: str) -> str:
        """With the password in it."""
        return f"postgresql://keeper:{QUOTED_PASSWORD}@127.0.0.1:{self.port}/{database}"

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _answers(self) -> bool:
        ready = _program("pg_isready")
        asked: list[str | Path] = [ready, "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"]
        return subprocess.run(asked, stdout=subprocess.DEVNULL, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [_program(program), "-D", self._data, *arguments],
            user=self._user,
            cwd=self._folder,
            check=True,
            capture_output=True,
        )


def _program(name: str) -> Path:
    found = find(name)
    if found is None:
        raise RuntimeError(HOW_TO_INSTALL)
    return found


def _ordinary_user() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
