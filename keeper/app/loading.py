"""Loads the settings: gathers what is set where, checks all of it, and reports every mistake at once."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from keeper.app.endpoints import ALLOW_PLAINTEXT, secrets_in
from keeper.app.layers import Layer, from_dotenv, from_environ, from_yaml, merged, settled, spelling, strongest
from keeper.app.listening import port_problems
from keeper.app.presets import PRESETS
from keeper.app.problems import SettingsError, Wrong, explained
from keeper.app.redaction import Redactor
from keeper.app.settings import ADDRESSES, NAMES, ONLY_IN_YAML, SECRETS, Settings
from keeper.app.values import flag, one, port, several

_REQUIRED_GROUPS = (("private_key", "private_key_file"), ("price_feed_ids", "price_config_file", "feeds"))
_GROUPS = (*_REQUIRED_GROUPS, ("hermes_api_key", "hermes_api_key_file"))
"""Settings that stand for one another: the strongest place that sets any of them decides, and may set one."""
_EXAMPLES = {name: field.examples[0] for name, field in Settings.model_fields.items() if field.examples}


def load(
    *, config_file: Path | None, environ: Mapping[str, str], dotenv: Path | None, port_must_be_free: bool = False
) -> Settings:
    """The settings of the environment, of the `.env` file and of the YAML file, of which the earlier ones win.

    A `.env` file need not exist, a config file must. Raises SettingsError with all that is wrong.
    """
    layers, problems = _gathered(config_file=config_file, environ=environ, dotenv=dotenv)
    redactor = Redactor(secret for layer in layers for secret in _secrets(layer))
    for group in _GROUPS:
        problems += _clashes(layers, group)
        layers = settled(layers, group)
    problems += [_missing(group) for group in _REQUIRED_GROUPS if strongest(layers, group) is None]
    layers += _implied(layers)
    values = merged(layers)
    if port_must_be_free:
        problems += _port_problems(values)
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(values, context={ALLOW_PLAINTEXT: _plaintext_allowed(values)})
    except ValidationError as exc:
        problems += [_told(layers, str(where[0]), reason) for where, reason in explained(exc, NAMES)]
    if settings is None or problems:
        raise SettingsError(redactor.clean(problem) for problem in problems)
    return settings


def _gathered(
    *, config_file: Path | None, environ: Mapping[str, str], dotenv: Path | None
) -> tuple[list[Layer], list[str]]:
    """What is set where, strongest first, and which files or names are wrong."""
    layers = [from_environ(environ, NAMES - ONLY_IN_YAML)]
    problems: list[str] = []
    for read, path, names in ((from_dotenv, dotenv, NAMES - ONLY_IN_YAML), (from_yaml, config_file, NAMES)):
        if path is not None:
            layer, wrong = read(path, names)
            layers.append(layer)
            problems += wrong
    return layers, problems


def _implied(layers: Sequence[Layer]) -> list[Layer]:
    """What other settings imply where nothing is set: a preset's values, and price_pusher's habits with its file."""
    values = merged(layers)
    implied = [
        Layer(f"the preset {preset}", preset_values)
        for preset, preset_values in PRESETS.items()
        if isinstance(wanted := values.get("preset"), str) and wanted.strip().lower() == preset
    ]
    if "price_config_file" in values:
        implied.append(Layer("price_pusher's habits", {"force_update_interval_ms": "0"}))
    return implied


def _clashes(layers: Sequence[Layer], group: Sequence[str]) -> list[str]:
    layer = strongest(layers, group)
    given = [layer.name(name) for name in group if name in layer.values] if layer else []
    if layer is None or len(given) < 2:
        return []
    return [f"{' and '.join(given)} in {layer.place}: only one of them can be set, remove the rest"]


def _missing(group: Sequence[str]) -> str:
    first, *others = (f"`{name}` in YAML" if name in ONLY_IN_YAML else name.upper() for name in group)
    return f"{first} is missing: set it (or {' or '.join(others)})"


def _told(layers: Sequence[Layer], name: str, reason: str) -> str:
    if name in _EXAMPLES and strongest(layers, [name]) is None:
        return f"{name.upper()} is missing: set it, for instance to {_EXAMPLES[name]}"
    return f"{spelling(layers, name)}: {reason}"


def _plaintext_allowed(values: Mapping[str, object]) -> bool:
    """The setting that the check of other settings depends on; a wrong one is reported with all the others."""
    try:
        return flag(values.get(ALLOW_PLAINTEXT, "false"))
    except Wrong:
        return False


def _secrets(layer: Layer) -> Iterator[str]:
    """What is never to be shown, be it valid or not."""
    for name, value in layer.values.items():
        try:
            if name in SECRETS:
                yield one(value).removeprefix("0x")
            elif name in ADDRESSES:
                yield from (secret for url in several(value) for secret in secrets_in(url))
        except ValueError:
            continue


def _port_problems(values: Mapping[str, object]) -> list[str]:
    """Whether somebody listens already where the keeper is to listen."""
    fields = Settings.model_fields
    try:
        number = port(values.get("metrics_port", fields["metrics_port"].default))
        host = one(values.get("metrics_host", fields["metrics_host"].default))
    except Wrong:
        return []
    return port_problems(host, number)
