"""Which price feeds to keep fresh, and when each is due."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from keeper.app.problems import Wrong, explained
from keeper.app.values import FeedIdHex, Label, Percent, Seconds, one_of, several
from keeper.domain.policy import Confidence, Deviation, Early, FeedPolicy, Rule, Staleness
from keeper.domain.units import FeedId, Ppm

_R = TypeVar("_R", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Feed:
    """One price feed and when to push it."""

    feed_id: FeedId
    alias: str
    """What to call it: the feed id where nobody gave it a name."""
    policy: FeedPolicy


class EarlyUpdate(StrEnum):
    """When a feed that is not due joins a push of others."""

    CHEAPER = "cheaper"
    NEVER = "never"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a feed is due."""

    min_price_change: Ppm
    max_staleness_s: int
    confidence_trigger: Ppm | None
    confidence_veto: Ppm | None
    early: EarlyUpdate

    def policy(self) -> FeedPolicy:
        """The rules that say so."""
        rules: list[Rule] = [Deviation(self.min_price_change), Staleness(self.max_staleness_s)]
        if self.confidence_trigger is not None:
            rules.append(Confidence(self.confidence_trigger))
        return FeedPolicy(
            rules=tuple(rules),
            early=Early(self.early),
            max_source_age_s=self.max_staleness_s,
            max_confidence=self.confidence_veto,
        )


class FeedEntry(BaseModel):
    """One feed as listed in the settings; what is not given there holds for all feeds alike."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: FeedIdHex
    alias: Label | None = None
    min_price_change_percent: Percent | None = None
    max_staleness: Seconds | None = None
    confidence_trigger_percent: Percent | None = None
    confidence_veto_percent: Percent | None = None
    early_update: Annotated[EarlyUpdate, one_of(EarlyUpdate)] | None = None

    def feed(self, common: Thresholds) -> Feed:
        """The feed, by its own thresholds and the common ones."""
        own: dict[str, Any] = {
            "min_price_change": self.min_price_change_percent,
            "max_staleness_s": self.max_staleness,
            "confidence_trigger": self.confidence_trigger_percent,
            "confidence_veto": self.confidence_veto_percent,
            "early": self.early_update,
        }
        thresholds = replace(common, **{name: value for name, value in own.items() if value is not None})
        return Feed(self.id, self.alias or self.id, thresholds.policy())


def entries_of_ids(value: object) -> tuple[FeedEntry, ...]:
    """Feeds given by their ids alone."""
    return entries([{"id": text} for text in several(value)])


def entries(value: object) -> tuple[FeedEntry, ...]:
    """Feeds given as a YAML list of ids, or of blocks with an id and whatever is special about the feed."""
    if not isinstance(value, list):
        raise Wrong("is not a list of feeds: a line with `- ` and an id for each is wanted")
    rows = [row if isinstance(row, Mapping) else {"id": row} for row in value]
    read = read_rows(rows, FeedEntry)
    check_unique((entry.id, entry.alias or entry.id) for entry in read)
    return read


def read_rows(
    rows: Sequence[object], model: type[_R], *, known: Iterable[str] = (), what: str = "feed"
) -> tuple[_R, ...]:
    """Every row as a model; raises Wrong with the mistakes of all of them. `known` are names of fields further down."""
    if not rows:
        raise Wrong(f"names no {what}: at least one is wanted")
    names = {*model.model_fields, *known}
    read, reasons = [], []
    for number, row in enumerate(rows, start=1):
        try:
            read.append(model.model_validate(row))
        except ValidationError as exc:
            reasons += [_in_row(what, number, where, reason) for where, reason in explained(exc, names)]
    if reasons:
        raise Wrong(*reasons)
    return tuple(read)


def check_unique(feeds: Iterable[tuple[FeedId, str]]) -> None:
    """Raise Wrong if an id or an alias comes twice."""
    ids, aliases = Counter[str](), Counter[str]()
    for feed, alias in feeds:
        ids[feed] += 1
        aliases[alias] += 1
    reasons = [f"lists the feed {feed} {count} times: once is enough" for feed, count in ids.items() if count > 1]
    if not reasons:
        reasons = [
            f"calls {count} feeds {alias}: give each its own alias" for alias, count in aliases.items() if count > 1
        ]
    if reasons:
        raise Wrong(*reasons)


def _in_row(what: str, number: int, where: tuple[int | str, ...], reason: str) -> str:
    return " ".join([f"{what} {number}:", *(str(part) for part in where), reason])
