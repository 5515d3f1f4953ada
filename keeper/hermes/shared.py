"""Update data that come from several endpoints: the same bytes are decoded once."""

from collections import deque

from keeper.domain.accumulator import Update, decode

_REMEMBERED = 32
"""Updates: some slots of several groups of feeds."""


class SharedDecoder:
    """Decodes; the same bytes soon after give the very same Update, whichever endpoint they come from."""

    def __init__(self) -> None:
        self._recent: deque[Update] = deque(maxlen=_REMEMBERED)

    def __call__(self, blob: bytes) -> Update:
        """The update; raises InvalidUpdate. Comparing is cheap: others differ in their first few hundred bytes."""
        for known in self._recent:
            if known.blob == blob:
                return known
        update = decode(blob)
        self._recent.appendleft(update)
        return update
