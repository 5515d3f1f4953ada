"""What is a convenience goes on after a fault of its own, and never costs the flow anything."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Never

log = logging.getLogger(__name__)

_RESTART_AFTER_S = 1.0


async def going_on(part: str, work: Callable[[], Coroutine[None, None, Never]]) -> Never:
    """Start the part again whenever it fails."""
    while True:
        try:
            await work()
        except Exception:
            text = f"the {part} have crashed, and go on; the flow never stopped"
            log.exception("part_failed", extra={"text": text, "fields": {"part": part}})
            await asyncio.sleep(_RESTART_AFTER_S)
