"""Installs what the integration tests start, before they run: `python -m tests.support.prefetch`."""

import asyncio
import sys
from functools import partial

from keeper.domain.errors import KeeperError
from keeper.lab.anvil_install import ensure_anvil
from tests.support import monitoring
from tests.support.debian import can_install, install
from tests.support.postgres import find

tell = partial(print, file=sys.stderr, flush=True)


def ensure_postgres() -> None:
    """PostgreSQL, where that is one command and ours to give."""
    if find("initdb") is not None or not can_install():
        return
    tell("installing PostgreSQL (apt-get install postgresql)")
    if not install("postgresql"):
        tell("without PostgreSQL, some tests will not run")


if __name__ == "__main__":
    ensure_postgres()
    monitoring.ensure()
    try:
        asyncio.run(ensure_anvil(announce=tell))
    except KeeperError as exc:
        tell(f"without Anvil, some tests will not run: {exc}")
