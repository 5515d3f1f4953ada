"""The document says of every frame what it holds."""

import json
from typing import Any

import jsonschema
import msgspec
import pytest

from keeper.server.streams.stream_frames import DroppedFrame, HelloFrame
from keeper.server.streams.topics import PRIORITIES
from keeper.server.streams.wire import Streamed
from tests.support.streaming import Described
from tests.unit.server.streams.test_wire import ALL, told

DESCRIBED = Described()


def test_describes_every_type_and_no_other() -> None:
    assert DESCRIBED.types == {*PRIORITIES, "hello", "dropped"}
    for channel in DESCRIBED.document["channels"].values():
        assert set(channel["messages"]) == DESCRIBED.types


def references(part: Any) -> set[str]:
    if isinstance(part, dict):
        found = {part["$ref"]} if "$ref" in part else set()
        return found.union(*map(references, part.values()))
    return set().union(*map(references, part)) if isinstance(part, list) else set()


def test_all_that_it_refers_to_is_there() -> None:
    for reference in references(DESCRIBED.document):
        found = DESCRIBED.document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_every_frame_is_as_described(event: Streamed) -> None:
    DESCRIBED.check(told(event))


def test_the_frames_of_the_stream_itself_are_as_described() -> None:
    hello = HelloFrame(id="a-1", at=1.5, boot="a", newest="a-1", whole=False, missed=["low"])
    for frame in (hello, DroppedFrame(low=1, medium=0, high=0)):
        DESCRIBED.check(json.loads(msgspec.json.encode(frame)))


@pytest.mark.parametrize("wrong", [{"push": "7"}, {"surprise": 1}, {"feeds": None}])
def test_what_is_otherwise_is_found_out(wrong: dict[str, object]) -> None:
    plan = next(frame for frame in map(told, ALL) if frame["type"] == "plan")
    with pytest.raises(jsonschema.ValidationError):
        DESCRIBED.check(plan | wrong)
