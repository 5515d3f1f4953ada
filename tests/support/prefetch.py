"""Installs what the integration tests start, before they run: `python -m tests.support.prefetch`."""

import asyncio
import os
import shutil
import subprocess
import sys
from functools import partial

from keeper.domain.errors import KeeperError
from keeper.lab.anvil_install import ensure_anvil
from tests.support.postgres import find

tell = partial(print, file=sys.stderr, flush=True)


def ensure_postgres() -> None:
    """PostgreSQL, where that is one command and ours to give: as root on Debian."""
    if find("initdb") is not None or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    tell("installing PostgreSQL (apt-get install postgresql)")
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "postgresql"]):
        done = subprocess.run(["apt-get", "-qq", *command], env=environ, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            tell("without PostgreSQL, some tests will not run")
            return


if __name__ == "__main__":
    ensure_postgres()
    try:
        asyncio.run(ensure_anvil(announce=tell))
    except KeeperError as exc:
        tell(f"without Anvil, some tests will not run: {exc}")
