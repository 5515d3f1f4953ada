"""Makes networks of what is written: each by its own block, and by what is common where the block says nothing."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError

from keeper.app.accounts import shared_accounts
from keeper.app.feeds import check_unique
from keeper.app.layers import Layer, settled
from keeper.app.network_blocks import Written
from keeper.app.network_settings import NetworkSettings
from keeper.app.presets import PRESETS
from keeper.app.problems import MISSING, Wrong, explained
from keeper.app.settings import NETWORK_NAMES, ONLY_IN_YAML

_KEYS = ("private_key", "private_key_file")
_FEEDS = ("price_feed_ids", "price_config_file", "feeds", "feed_groups")
_REQUIRED = (_KEYS, _FEEDS)
HERMES_KEYS = ("hermes_api_key", "hermes_api_key_file")
ALTERNATIVES = (
    *_REQUIRED,
    HERMES_KEYS,
    ("control_token", "control_token_file"),
    ("alert_webhook_url", "alert_webhook_url_file"),
    ("hermes_url", "hermes"),
)
"""Settings that stand for one another: the strongest place that sets any of them decides, and may set one."""
_MAY_MEET = {"feeds", "feed_groups"}
_EXAMPLES = {name: field.examples[0] for name, field in NetworkSettings.model_fields.items() if field.examples}


def load_networks(written: Written) -> tuple[tuple[NetworkSettings, ...], list[str]]:
    """Those that are fine, and all that is wrong with the rest; a fault of a common value may come several times."""
    problems: list[str] = []
    if not written.in_blocks:
        only = _network(list(written.common), None, written, problems)
        return (() if only is None else (only,)), problems
    found: dict[int, NetworkSettings] = {}
    for number, block in enumerate(written.blocks):
        network = _network([block, *written.common], block, written, problems)
        if network is not None:
            found[number] = network
    for index, reason in _clashing(found):
        block = written.blocks[index]
        problems.append(f"{block.path.rstrip('.')} in {block.place}: {reason}")
    return tuple(found.values()), problems


def clashes(layer: Layer) -> Iterator[str]:
    """Settings of one place of which only one can be set."""
    for group in ALTERNATIVES:
        present = {name for name in group if name in layer.values}
        if len(present) > 1 and not present <= _MAY_MEET:
            names = " and ".join(layer.name(name) for name in group if name in present)
            yield f"{names} in {layer.place}: only one of them can be set, remove the rest"


def told(layers: Sequence[Layer], name: str, reason: str) -> str:
    """What is wrong with a setting, in the place that sets it."""
    layer = next((layer for layer in layers if name in layer.values), None)
    if layer is not None:
        return f"{layer.name(name)} in {layer.place}: {reason}"
    other = "" if reason == MISSING else f" ({reason})"
    return f"{_spelled(layers[0], name)} is missing: set it, for instance to {_EXAMPLES[name]}{other}"


def _network(
    layers: Sequence[Layer], block: Layer | None, written: Written, problems: list[str]
) -> NetworkSettings | None:
    layers = settled(layers, ALTERNATIVES)
    before = len(problems)
    problems += [clash for layer in layers for clash in clashes(layer)]
    values = {name: value for layer in layers for name, value in layer.values.items() if name in NETWORK_NAMES}
    problems += [_missing(group, layers[0]) for group in _REQUIRED if values.keys().isdisjoint(group)]
    if block is not None and "network_name" not in block.values:
        problems.append(f"{block.name('network_name')} in {block.place} is missing: say what to call the network")
    network: NetworkSettings | None = None
    try:
        network = NetworkSettings.model_validate(_implied(values) | values, context=written.groups)
        if network.feeds_of_groups is not None:
            check_unique((feed.feed_id, feed.alias) for feed in network.feeds)
    except ValidationError as exc:
        problems += [told(layers, str(where[0]), reason) for where, reason in explained(exc, NETWORK_NAMES)]
    except Wrong as exc:
        problems += [told(layers, "feed_groups", reason) for reason in exc.reasons]
    return network if len(problems) == before else None


def _clashing(networks: Mapping[int, NetworkSettings]) -> Iterator[tuple[int, str]]:
    seen: dict[str, int] = {}
    for index, network in networks.items():
        first = seen.setdefault(network.network_name, index)
        if first != index:
            yield index, f"networks[{first}] is called {network.network_name} too: give each its own name"
    indices = list(networks)
    yield from ((indices[at], reason) for at, reason in shared_accounts(list(networks.values())))


def _missing(group: Sequence[str], strongest: Layer) -> str:
    first, *others = (_spelled(strongest, name) for name in group if name != "feed_groups" or strongest.path)
    return f"{first} is missing: set it (or {' or '.join(others)})"


def _spelled(strongest: Layer, name: str) -> str:
    """What a setting that nobody sets would be called where it counts most."""
    if strongest.path:
        return strongest.name(name)
    return f"`{name}` in YAML" if name in ONLY_IN_YAML else name.upper()


def _implied(values: Mapping[str, object]) -> dict[str, object]:
    """What follows where nothing is set: price_pusher's habits with its file, and over them a preset's values."""
    habits = {"force_update_interval_ms": "0"} if "price_config_file" in values else {}
    preset = str(values.get("preset")).strip().lower()
    return {**habits, **PRESETS.get(preset, {})}
