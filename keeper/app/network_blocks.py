"""The blocks of `networks`, and the groups they refer to, taken out of the places where settings are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keeper.app.feed_groups import FeedGroups, read_groups
from keeper.app.layers import Layer, given
from keeper.app.problems import Wrong, did_you_mean
from keeper.app.settings import NETWORK_NAMES, PROCESS_NAMES

_SPELLED = {"network_name": "name"}
_NAMES = (NETWORK_NAMES - {"network_name"}) | {"name"}


@dataclass(frozen=True, slots=True)
class Written:
    """Settings by what they hold for."""

    common: Sequence[Layer]
    """For everything that does not say otherwise; earlier ones win."""
    blocks: Sequence[Layer]
    """For one network each. Without any, the common ones are those of the only network."""
    groups: FeedGroups
    in_blocks: bool
    """Whether there are networks in blocks, be they readable or not."""


def with_blocks(layers: Sequence[Layer]) -> Written:
    """Blocks and groups apart from the rest; what is wrong with them stands in the layers they come from."""
    common: list[Layer] = []
    blocks: list[Layer] = []
    groups: FeedGroups = {}
    in_blocks = False
    for layer in layers:
        values = dict(layer.values)
        problems = list(layer.problems)
        if "feed_groups" in values:
            try:
                groups, faults = read_groups(values.pop("feed_groups"))
                problems += [f"feed_groups{where} in {layer.place}: {reason}" for where, reason in faults]
            except Wrong as exc:
                problems.append(f"feed_groups in {layer.place}: {exc}")
        if "networks" in values:
            in_blocks = True
            rows = values.pop("networks")
            if isinstance(rows, list) and rows:
                blocks += [_block(row, number, layer.place) for number, row in enumerate(rows)]
            else:
                problems.append(f"networks in {layer.place}: is not a list of blocks, one for each network")
        common.append(replace(layer, values=values, problems=problems))
    return Written(common, blocks, groups, in_blocks)


def _block(row: object, number: int, place: str) -> Layer:
    path = f"networks[{number}]"
    if not isinstance(row, Mapping):
        return Layer(place, {}, [f"{path} in {place}: is not a set of `name: value` lines"], path=f"{path}.")
    written = {str(name): value for name, value in row.items()}
    problems = [f"{path}.{name} in {place} {_unknown(name.lower())}" for name in written if name.lower() not in _NAMES]
    read = {name.lower(): value for name, value in written.items() if name.lower() in _NAMES}
    values = {("network_name" if name == "name" else name): value for name, value in read.items()}
    return Layer(place, given(values), problems, in_capitals=False, path=f"{path}.", spelled=_SPELLED)


def _unknown(name: str) -> str:
    if name == "network_name":
        return "is called name here"
    if name in PROCESS_NAMES:
        return "holds for the whole process: give it outside of `networks`"
    return f"is not known{did_you_mean(name, _NAMES)}"
