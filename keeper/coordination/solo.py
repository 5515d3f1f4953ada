"""Alone: nobody else is reckoned with."""

import asyncio

from keeper.domain.errors import UsageError
from keeper.domain.status import Leadership
from keeper.ports import Account


class Solo:
    """See Mandate; always held."""

    send_s = None

    def __init__(self) -> None:
        self._overtaken = ""

    async def gain(self, account: Account) -> None:
        """See Mandate."""
        if self._overtaken:
            raise UsageError(second_keeper(account, self._overtaken))

    def assure(self) -> None:
        """See Mandate."""

    async def asked_back(self) -> None:
        """See Mandate."""
        await asyncio.Event().wait()

    async def lost(self) -> None:
        """See Mandate."""
        await asyncio.Event().wait()

    def overtaken(self, why: str) -> None:
        """See Mandate."""
        self._overtaken = why

    async def release(self) -> None:
        """See Mandate."""

    def status(self) -> Leadership:
        """See Mandate."""
        return Leadership()


def second_keeper(account: Account, why: str) -> str:
    """What to tell of a keeper that cannot agree with the one that has overtaken it."""
    return (
        f"{why}: keepers that share a journal have to agree who sends. Let them with COORDINATION=postgres or"
        f" kubernetes, or stop the other one with the account {account.address}"
    )
