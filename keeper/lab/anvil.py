"""A real EVM node on this machine, for as long as it is needed."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from types import TracebackType
from typing import Self

from keeper.domain.errors import Fatal

DEV_ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
"""The first account of the standard test mnemonic, funded and unlocked in every Anvil."""
DEV_PRIVATE_KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
"""Its key, known to all the world."""

_HOST = "127.0.0.1"
_LISTENING = re.compile(rb"Listening on [\d.]+:(\d+)")
_START_DEADLINE_S = 20
_STOP_DEADLINE_S = 5


class Anvil:
    """Anvil, inside an `async with`: listening on loopback when the block begins, gone when it ends.

    Without a block time it mines every transaction at once.
    """

    process: asyncio.subprocess.Process
    port: int
    """Before the start, 0 asks for any free one."""

    def __init__(
        self,
        binary: Path,
        *,
        port: int = 0,
        chain_id: int = 31337,
        block_time_s: float | None = None,
        accounts: int = 10,
        extra_args: Sequence[str] = (),
    ) -> None:
        self.port = port
        self._command = [
            str(binary),
            f"--host={_HOST}",
            f"--chain-id={chain_id}",
            f"--accounts={accounts}",
            *extra_args,
        ]
        if block_time_s is not None:
            self._command.append(f"--block-time={block_time_s}")

    @property
    def url(self) -> str:
        """JSON-RPC over HTTP."""
        return f"http://{_HOST}:{self.port}"

    @property
    def ws_url(self) -> str:
        """JSON-RPC over WebSocket."""
        return f"ws://{_HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        """Start it; raises Fatal, with what Anvil printed, when it does not come up."""
        try:
            # In a session of its own: a Ctrl-C meant for the keeper shall not take its chain away while it drains.
            self.process = await asyncio.create_subprocess_exec(
                *self._command,
                f"--port={self.port}",
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                start_new_session=True,
            )
        except OSError as exc:
            raise Fatal(f"cannot run {self._command[0]} ({exc.strerror}): is it Anvil for this machine?") from exc
        try:
            self.port = await self._listening_port()
        except BaseException:
            await self._stop()
            raise
        self._drain = asyncio.create_task(self._drain_output(), name="anvil output")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()
        await self._drain

    @property
    def _output(self) -> asyncio.StreamReader:
        assert self.process.stdout is not None
        return self.process.stdout

    async def _listening_port(self) -> int:
        printed: list[bytes] = []
        try:
            async with asyncio.timeout(_START_DEADLINE_S):
                async for line in self._output:
                    if found := _LISTENING.search(line):
                        return int(found[1])
                    printed.append(line)
                await self.process.wait()
        except TimeoutError as exc:
            raise Fatal(f"Anvil does not listen after {_START_DEADLINE_S} s; {_last_words(printed)}") from exc
        raise Fatal(f"Anvil did not start; {_last_words(printed)}")

    async def _drain_output(self) -> None:
        """Anvil reports every request; left unread, that would fill the pipe and block it."""
        while await self._output.read(2**16):
            pass

    async def _stop(self) -> None:
        if self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), _STOP_DEADLINE_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def _last_words(printed: Sequence[bytes]) -> str:
    return "its last words: " + " ".join(b"".join(printed[-5:]).decode(errors="replace").split())
