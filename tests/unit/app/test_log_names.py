"""docs/logs.md names every line of the log, with its levels, and no other; every line of a push tells which push."""

import ast
import dataclasses
import logging
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from keeper.app.event_lines import level_of, line_of
from keeper.app.lines import FeedNames
from tests.unit.app.test_log_events import EVENTS

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs" / "logs.md").read_text()


def documented() -> dict[str, set[str]]:
    """Name -> levels."""
    rows = re.findall(r"^\| `(\w+)` \| ([a-z, ]+) \|", DOCUMENT, re.MULTILINE)
    return {name: set(levels.split(", ")) for name, levels in rows}


def of_events() -> dict[str, set[str]]:
    """By an example of every event, whose test sees to it that none is missing."""
    levels: dict[str, set[str]] = defaultdict(set)
    for event, _, name in EVENTS:
        levels[name].add(logging.getLevelName(level_of(event)).lower())
    return levels


def written_directly() -> Iterator[str]:
    """Names in calls of a logger, anywhere in the keeper."""
    for path in (ROOT / "keeper").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "log"
            ):
                names = [each.value for each in node.args if isinstance(each, ast.Constant)]
                yield from (name for name in names if isinstance(name, str))


def test_every_event_is_documented_with_its_levels() -> None:
    told = documented()
    assert {name: told.get(name) for name in of_events()} == of_events()


def test_nothing_is_documented_that_is_not_written() -> None:
    assert documented().keys() == of_events().keys() | set(written_directly()) | {"log_lines_dropped"}


def test_every_line_of_a_push_names_network_and_push() -> None:
    about_a_push = [event for event, _, _ in EVENTS if hasattr(event, "push")]
    assert len(about_a_push) >= 10
    for event in about_a_push:
        wanted, fields = dataclasses.asdict(event), line_of(event, FeedNames({}), {}).fields
        assert (fields["network"], fields["push"]) == (wanted["network"], wanted["push"])
