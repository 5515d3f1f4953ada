"""A keeper that reckons with nobody else."""

import pytest

from keeper.coordination.solo import Solo
from keeper.domain.errors import UsageError
from keeper.ports import Account

ACCOUNT = Account("evm", 1, "0xAb")


async def test_leads_on_until_the_journal_tells_of_another_keeper_and_is_refused_from_then_on() -> None:
    solo = Solo()
    await solo.gain(ACCOUNT)
    await solo.release()
    await solo.gain(ACCOUNT)
    solo.overtaken("another keeper has begun to send")
    with pytest.raises(UsageError, match=r"agree who sends.*COORDINATION=postgres.*0xAb"):
        await solo.gain(ACCOUNT)
