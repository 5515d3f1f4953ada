"""A mandate that a test gives and takes."""

import asyncio
from dataclasses import dataclass, field

from keeper.domain.errors import MandateLost
from keeper.domain.status import Leadership
from keeper.ports import Account


@dataclass
class FakeMandate:
    """See Mandate."""

    send_s = 5.0
    sure: bool = True
    """Whether enough of it is left for a hand-over."""
    refusals: int = 0
    """So many times something was not to be signed or handed over."""
    releases: int = 0
    overtakings: list[str] = field(default_factory=list)
    given: asyncio.Event = field(default_factory=asyncio.Event)
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    wanted_back: asyncio.Event = field(default_factory=asyncio.Event)
    held: bool = False

    def give(self) -> None:
        self.taken.clear()
        self.wanted_back.clear()
        self.given.set()

    def take(self) -> None:
        self.held = False
        self.given.clear()
        self.taken.set()

    async def gain(self, account: Account) -> None:  # noqa: ARG002 - as the port has it
        await self.given.wait()
        self.held = True

    def assure(self) -> None:
        if not self.held or not self.sure:
            self.refusals += 1
            self.take()
            raise MandateLost("it does not hold")

    async def asked_back(self) -> None:
        await self.wanted_back.wait()

    async def lost(self) -> None:
        await self.taken.wait()

    def overtaken(self, why: str) -> None:
        if self.held:
            self.overtakings.append(why)
            self.take()

    async def release(self) -> None:
        self.releases += 1
        self.take()

    def status(self) -> Leadership:
        return Leadership(held=self.held, shard="1-0xab", holder="me" if self.held else "another")
