"""Alone: nobody else is reckoned with."""

import asyncio

from keeper.domain.status import Leadership
from keeper.ports import Account


class Solo:
    """See Mandate; always held."""

    send_s = None

    async def gain(self, account: Account) -> None:
        """See Mandate."""

    def assure(self) -> None:
        """See Mandate."""

    async def asked_back(self) -> None:
        """See Mandate."""
        await asyncio.Event().wait()

    async def lost(self) -> None:
        """See Mandate."""
        await asyncio.Event().wait()

    async def release(self) -> None:
        """See Mandate."""

    def status(self) -> Leadership:
        """See Mandate."""
        return Leadership()
