"""Downloads what the integration tests start, before they run: `python -m tests.support.prefetch`."""

import asyncio
import sys
from functools import partial

from keeper.domain.errors import KeeperError
from keeper.lab.anvil_install import ensure_anvil

tell = partial(print, file=sys.stderr, flush=True)

if __name__ == "__main__":
    try:
        asyncio.run(ensure_anvil(announce=tell))
    except KeeperError as exc:
        tell(f"without Anvil, some tests will not run: {exc}")
