"""The text of /metrics."""

from itertools import chain

from prometheus_client import generate_latest

from keeper.domain.status import KeeperStatus
from keeper.server.endpoint_metrics import endpoint_families
from keeper.server.event_metrics import EventMetrics
from keeper.server.pacing import batches
from keeper.server.state_metrics import state_families


async def metrics_text(status: KeeperStatus, counted: EventMetrics) -> bytes:
    """All metrics in Prometheus' text format; the event loop turns while feeds are many."""
    families = [*await state_families(status), *endpoint_families(status), counted.writes(status)]
    lines = chain.from_iterable(family.lines() for family in families)
    parts = ["".join(batch).encode() async for batch in batches(lines)]
    counted.prepare(status)
    return b"".join([*parts, generate_latest(counted.registry)])
