"""How several keepers with one key agree who sends: names, and how each setting is read."""

from enum import StrEnum

from pydantic import PlainValidator

from keeper.app.problems import Wrong
from keeper.app.values import whole

_MS = 1000
_SHORTEST_MS, _LONGEST_MS = 3_000, 300_000


class Coordination(StrEnum):
    """By what they agree."""

    AUTO = "auto"
    """Leases inside of Kubernetes, the server of a PostgreSQL journal, or alone on this machine."""
    NONE = "none"
    FILE = "file"
    POSTGRES = "postgres"
    KUBERNETES = "kubernetes"


def _whole_seconds(value: object) -> int:
    ms = whole(value, what="a whole number of milliseconds", least=_SHORTEST_MS, most=_LONGEST_MS)
    if ms % _MS:
        raise Wrong(f"{ms} is no whole number of seconds: leases are counted in those, as {ms // _MS * _MS}")
    return ms


WHOLE_SECONDS = PlainValidator(_whole_seconds)
"""Reads milliseconds that are whole seconds."""
