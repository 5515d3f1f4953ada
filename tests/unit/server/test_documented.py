"""docs/http.md tells of all that is shown, and of nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from keeper.domain.budget import SpendLimit, SpendMode
from keeper.domain.events import PushFinished, PushPlanned
from keeper.domain.explanation import Obstacle
from keeper.domain.feed_state import FeedState
from keeper.domain.fees import Cost
from keeper.domain.policy import Early, Reason
from keeper.domain.status import EndpointState, SourceState, TrustState
from keeper.domain.transaction import Outcome
from keeper.domain.units import Gas, Wei
from keeper.server import explained, monitoring, views
from keeper.server.event_metrics import EventMetrics
from keeper.server.metrics import metrics_text
from keeper.server.streams.health import StreamMetrics
from tests.support.status import BTC, KEEPER
from tests.support.streaming import broadcast

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "http.md").read_text()


async def exposed() -> dict[str, tuple[str, frozenset[str]]]:
    """Our metrics: name -> type and label names."""
    counted = EventMetrics()
    counted.registry.register(StreamMetrics(broadcast()))
    counted(
        PushPlanned(
            network="devnet",
            push=1,
            feeds=((BTC.feed_id, Reason.DEVIATION),),
            gas=Gas(1),
            update_fee=Wei(1),
            dry_run=False,
        )
    )
    counted(
        PushFinished(
            network="devnet",
            push=1,
            outcome=Outcome.CONFIRMED,
            feeds=(BTC.feed_id,),
            written=(BTC.feed_id,),
            retries=0,
            cost=Cost(gas=Wei(1), update_fee=Wei(1)),
        )
    )
    text = (await metrics_text(KEEPER, counted)).decode()
    kinds = dict(re.findall(r"# TYPE (\S+) (\S+)", text))
    labels: dict[str, set[str]] = {name: set() for name in kinds}
    for sample, labelled in re.findall(r"^(\w+)\{(.*)\} ", text, re.MULTILINE):
        name = sample if sample in kinds else re.sub(r"_(bucket|count|sum)$", "", sample)
        labels[name] |= set(re.findall(r'(\w+)="', labelled)) - {"le"}
    ours = (name for name in kinds if not name.startswith(("process_", "python_gc_")))
    return {name: (kinds[name], frozenset(labels[name])) for name in ours}


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    return dict(_rows())


def _rows() -> Iterator[tuple[str, tuple[str, frozenset[str]]]]:
    table = DOCUMENT.partition("## /metrics")[2]
    for names, kind, labels in re.findall(r"^\| (`[^|]+`) \| (\w+) \|([^|]*)\|", table, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            yield name, (kind, frozenset(re.findall(r"\w+", labels)))


async def test_lists_every_metric_with_its_type_and_labels() -> None:
    assert documented() == await exposed()


@pytest.mark.parametrize(
    "shape",
    [
        views.Amount,
        views.PriceView,
        views.LastPush,
        views.FeedView,
        views.EndpointView,
        views.Spent,
        views.SpendingView,
        views.ShadowFeedView,
        views.ConfigView,
        views.NetworkView,
        views.SourceView,
        views.TrustView,
        views.StatusView,
        monitoring.MonitoringView,
        monitoring.StateUpdateView,
        monitoring.RpcView,
    ],
)
def test_names_every_key_of_the_status(shape: type[msgspec.Struct]) -> None:
    table = DOCUMENT.partition("## /status")[2].partition("## /metrics")[0]
    assert {key for key in shape.__struct_fields__ if f"`{key}`" not in table and f'"{key}"' not in table} == set()


@pytest.mark.parametrize(
    "shape",
    [
        explained.ExplainedView,
        explained.GuardView,
        explained.RuleView,
        explained.JoiningView,
        explained.ObstacleView,
    ],
)
def test_names_every_key_of_an_explanation(shape: type[msgspec.Struct]) -> None:
    section = DOCUMENT.partition("## /v1/feeds")[2].partition("\n## ")[0]
    assert {key for key in shape.__struct_fields__ if f"`{key}`" not in section} == set()


@pytest.mark.parametrize(
    "word",
    [*Obstacle, *Early, *Outcome, *SourceState, *EndpointState, *SpendMode, *SpendLimit, *TrustState, *FeedState],
)
def test_explains_every_word(word: str) -> None:
    assert f"`{word}`" in DOCUMENT
