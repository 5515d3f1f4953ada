"""One sender for an account on one machine: a lock on a file, which the kernel takes back however a process ends."""

import asyncio
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from keeper.coordination.lease import shard_of
from keeper.coordination.solo import second_keeper
from keeper.domain.errors import MandateLost, UsageError
from keeper.domain.events import LeadershipGained, LeadershipLost
from keeper.domain.status import Leadership
from keeper.ports import Account, Clock, Emit

_LOOK_EVERY_S = 0.5
_LONGEST_COUNT = 20
_FOR_ALL = 0o666
"""Keepers of several users may meet here; the files hold no secret."""


class FileLock:
    """See Mandate. Whoever waits takes over within a second; a process that is frozen keeps its lock."""

    send_s = None

    def __init__(self, network: str, folder: Path, *, waits: bool, clock: Clock, emit: Emit) -> None:
        """`waits`: stand by while another process holds the lock, instead of refusing to run beside it."""
        self._network = network
        self._folder = folder
        self._waits = waits
        self._clock = clock
        self._emit = emit
        self._shard = ""
        self._file: int | None = None
        self._epoch = 0
        self._since: float | None = None
        self._lost = asyncio.Event()
        self._overtaken = ""

    @property
    def _path(self) -> Path:
        return self._folder / f"pyth-keeper-{self._shard}.lock"

    async def gain(self, account: Account) -> None:
        """See Mandate."""
        self._shard = shard_of(account)
        if self._overtaken:
            raise UsageError(second_keeper(account, self._overtaken))
        while not self._try():
            if not self._waits:
                raise UsageError(
                    f"another keeper on this machine sends with the account {account.address} on chain"
                    f" {account.chain_id}: stop it, give this one a key of its own, or let it stand by with"
                    " COORDINATION=file"
                )
            await asyncio.sleep(_LOOK_EVERY_S)
        self._since = self._clock.now()
        self._lost.clear()
        self._emit(LeadershipGained(self._network, self._shard, self._epoch))

    def _try(self) -> bool:
        """Lock the file that is there now; one that was taken away meanwhile locks nobody out."""
        try:
            self._file = _opened(self._path)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._count()
        except BlockingIOError:
            self._drop()
            return False
        except OSError as exc:
            self._drop()
            raise UsageError(
                f"no lock can be taken at {self._path} ({exc.strerror}): set TMPDIR to a folder that all keepers of"
                " this machine share and may write, or COORDINATION=postgres"
            ) from exc
        if self._is_there():
            return True
        self._drop()
        return False

    def _count(self) -> None:
        """The file holds how many times it was locked; what else it holds is not ours and goes."""
        assert self._file is not None
        before = os.pread(self._file, _LONGEST_COUNT, 0)
        self._epoch = int(before) + 1 if before.isdigit() else 1
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(self._epoch).encode(), 0)

    def _is_there(self) -> bool:
        assert self._file is not None
        with suppress(OSError):
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        return False

    def assure(self) -> None:
        """See Mandate. Whoever clears old temporary files away sees that this one is in use."""
        if self._file is None or not self._is_there():
            self._end("its lock was taken away", planned=False)
            raise MandateLost(f"the lock {self._path} was taken away: another keeper may hold it")
        os.utime(self._file)

    async def asked_back(self) -> None:
        """See Mandate."""
        await asyncio.Event().wait()

    async def lost(self) -> None:
        """See Mandate."""
        await self._lost.wait()

    def overtaken(self, why: str) -> None:
        """See Mandate. That keeper is not on this machine, or its lock was taken away."""
        if self._file is not None:
            self._end(why, planned=False)
            self._overtaken = why

    async def release(self) -> None:
        """See Mandate."""
        self._end("given back", planned=True)

    def _end(self, why: str, *, planned: bool) -> None:
        if self._file is not None:
            self._drop()
            self._lost.set()
            self._emit(LeadershipLost(self._network, self._shard, self._epoch, why, planned))

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def status(self) -> Leadership:
        """See Mandate."""
        held = self._file is not None
        holder = f"pid {os.getpid()}" if held else ""
        return Leadership(
            held=held, shard=self._shard, holder=holder, epoch=self._epoch, since=self._since if held else None
        )


def _opened(path: Path) -> int:
    """The file, made where it is missing; raises OSError."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    with suppress(FileNotFoundError):
        return os.open(path, flags)
    try:
        file = os.open(path, flags | os.O_CREAT | os.O_EXCL, _FOR_ALL)
    except FileExistsError:
        return os.open(path, flags)
    os.fchmod(file, _FOR_ALL)
    return file
