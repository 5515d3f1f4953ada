"""Reads a price_pusher's price-config file as it is, with price_pusher's meaning.

The file is a YAML list of feeds. A threshold is reached at its very value. `price_deviation` is in percent of the
on-chain price, `confidence_ratio` in percent of the source's price, and `time_difference` counts the seconds between
the publish times of the two. A feed without `early_update` joins every push; one with it joins when a threshold named
there is reached.
"""

import math
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainValidator

from keeper.app.feeds import Feed, check_unique, read_rows
from keeper.app.problems import Wrong
from keeper.app.values import FeedIdHex, Label, fraction, one, percent_or_zero
from keeper.app.yaml_files import read_yaml
from keeper.domain.policy import Confidence, Deviation, Early, FeedPolicy, Rule, TimeDifference
from keeper.domain.units import Ppm


def _seconds(value: object) -> int:
    """Publish times are whole seconds: a difference reaches 1.5 s when it reaches 2."""
    return math.ceil(fraction(value))


_Seconds = Annotated[int, PlainValidator(_seconds)]
_Percent = Annotated[Ppm, PlainValidator(percent_or_zero)]


class _EarlyUpdate(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    time_difference: _Seconds | None = None
    price_deviation: _Percent | None = None
    confidence_ratio: _Percent | None = None


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    alias: Label
    id: FeedIdHex
    time_difference: _Seconds
    price_deviation: _Percent
    confidence_ratio: _Percent
    early_update: _EarlyUpdate | None = None

    def feed(self) -> Feed:
        policy = FeedPolicy(
            rules=_rules(self.time_difference, self.price_deviation, self.confidence_ratio),
            early=Early.ALWAYS if self.early_update is None else Early.RULES,
            early_rules=_early_rules(self.early_update) if self.early_update is not None else (),
        )
        return Feed(self.id, self.alias, policy)


def read_price_config(value: object) -> tuple[Feed, ...]:
    """The feeds of the file that `value` names; raises Wrong."""
    path = Path(one(value)).expanduser()
    try:
        rows = _rows(read_yaml(path))
    except Wrong as exc:
        raise Wrong(*(f"{path}: {reason}" for reason in exc.reasons)) from exc
    return tuple(row.feed() for row in rows)


def _rows(content: object) -> tuple[_Row, ...]:
    if not isinstance(content, list):
        raise Wrong("is not a price_pusher price-config file, which is a list of feeds")
    rows = read_rows(content, _Row, known=_EarlyUpdate.model_fields)
    check_unique((row.id, row.alias) for row in rows)
    return rows


def _rules(seconds: int | None, deviation: Ppm | None, confidence: Ppm | None) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    if seconds is not None:
        rules.append(TimeDifference(seconds))
    if deviation is not None:
        rules.append(Deviation(deviation))
    if confidence is not None:
        rules.append(Confidence(confidence))
    return tuple(rules)


def _early_rules(early: _EarlyUpdate) -> tuple[Rule, ...]:
    return _rules(early.time_difference, early.price_deviation, early.confidence_ratio)
