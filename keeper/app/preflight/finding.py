"""What a check finds, and how checks are kept from taking long."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from keeper.domain.errors import KeeperError

_T = TypeVar("_T")


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    """The keeper runs all the same, but somebody should know."""
    FAIL = "fail"
    SKIPPED = "skipped"
    """It depends on another check, which failed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check, and what came of it."""

    check: str
    state: State
    detail: str
    """The value that is fine, or what is wrong and what to do about it."""


async def tried(check: str, attempt: Awaitable[_T], *, within_s: float) -> _T | Finding:
    """What the attempt returns, or the finding that it failed or took too long."""
    try:
        async with asyncio.timeout(within_s):
            return await attempt
    except TimeoutError:
        return Finding(check, State.FAIL, f"no answer within {within_s:g} s")
    except KeeperError as exc:
        return Finding(check, State.FAIL, str(exc))
