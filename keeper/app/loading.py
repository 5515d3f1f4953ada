"""Loads the settings: gathers what is set where, checks all of it, and reports every mistake at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from keeper.app.aliases import aliases_in
from keeper.app.endpoints import secrets_in
from keeper.app.hermes_settings import block_secrets
from keeper.app.journal_settings import (
    DEFAULT_JOURNAL_URL,
    JournalAddress,
    journal_address,
    journal_secrets,
    with_password,
)
from keeper.app.layers import Layer, from_dotenv, from_environ, from_yaml, settled
from keeper.app.lines import FeedNames
from keeper.app.listening import port_problems
from keeper.app.network_blocks import with_blocks
from keeper.app.network_loading import ALTERNATIVES, HERMES_KEYS, clashes, load_networks, told
from keeper.app.problems import SettingsError, Wrong, explained
from keeper.app.redaction import Redactor
from keeper.app.settings import ADDRESSES, JOURNALS, NAMES, ONLY_IN_YAML, PROCESS_NAMES, SECRETS, Settings
from keeper.app.values import one, port, secret_in_file, several
from keeper.domain.units import FeedId


def load(
    *, config_file: Path | None, environ: Mapping[str, str], dotenv: Path | None, port_must_be_free: bool = False
) -> Settings:
    """The settings of the environment, of the `.env` file and of the YAML file, of which the earlier ones win.

    What stands in a block of `networks` in the YAML file wins over all of them, for that network. A `.env` file need
    not exist, a config file must. Raises SettingsError with all that is wrong.
    """
    written = with_blocks(_layers(config_file, environ, dotenv))
    everything = (*written.common, *written.blocks)
    redactor = Redactor(secret for layer in everything for secret in _secrets(layer))
    problems = [problem for layer in everything for problem in layer.problems]
    common = settled(written.common, ALTERNATIVES)
    if port_must_be_free:
        problems += _port_problems({name: value for layer in common for name, value in layer.values.items()})
    networks, faults = load_networks(written)
    problems += faults
    problems += [clash for layer in common for clash in clashes(layer)]
    values = {name: value for layer in common for name, value in layer.values.items() if name in PROCESS_NAMES}
    if "journal_url" in values:
        values.pop("database_url", None)
    if "hermes" in values:
        problems += [
            _belongs_elsewhere(layer, name) for layer in common for name in HERMES_KEYS if name in layer.values
        ]
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(values | {"networks": networks})
    except ValidationError as exc:
        problems += [told(common, str(where[0]), reason) for where, reason in explained(exc, PROCESS_NAMES)]
    if settings is None or problems:
        raise SettingsError(dict.fromkeys(redactor.clean(problem) for problem in problems))
    return settings


@dataclass(frozen=True, slots=True)
class JournalPlace:
    """What a reader of the journal needs to know."""

    address: JournalAddress
    aliases: Mapping[FeedId, str]

    @property
    def names(self) -> FeedNames:
        """What to call feeds in tables."""
        return FeedNames(self.aliases)


def load_journal(*, config_file: Path | None, environ: Mapping[str, str], dotenv: Path | None) -> JournalPlace:
    """Where the journal is, and what feeds are called; other settings may be missing. Raises SettingsError."""
    layers = _layers(config_file, environ, dotenv)
    problems = [problem for layer in layers for problem in layer.problems]
    values = {name: value for layer in settled(layers, ALTERNATIVES) for name, value in layer.values.items()}
    name = "journal_url" if "journal_url" in values else "database_url"
    address: JournalAddress | None = None
    try:
        address = journal_address(values.get(name, DEFAULT_JOURNAL_URL))
        name = "journal_password_file"
        if name in values:
            address = with_password(address, secret_in_file(values[name]))
    except Wrong as exc:
        problems += [told(layers, name, reason) for reason in exc.reasons]
    if address is None or problems:
        raise SettingsError(problems)
    return JournalPlace(address, aliases_in(values))


def _layers(config_file: Path | None, environ: Mapping[str, str], dotenv: Path | None) -> list[Layer]:
    layers = [from_environ(environ, NAMES - ONLY_IN_YAML)]
    if dotenv is not None:
        layers.append(from_dotenv(dotenv, NAMES - ONLY_IN_YAML))
    if config_file is not None:
        layers.append(from_yaml(config_file, NAMES | {"networks"}))
    return layers


def _belongs_elsewhere(layer: Layer, name: str) -> str:
    return (
        f"{layer.name(name)} in {layer.place}: is for HERMES_URL, and `hermes` names the endpoints in its place: "
        "write a key into the block of each endpoint that it is meant for"
    )


def _secrets(layer: Layer) -> Iterator[str]:
    """What is never to be shown, be it valid or not."""
    for name, value in layer.values.items():
        try:
            if name in SECRETS:
                yield one(value).removeprefix("0x")
            elif name in ADDRESSES:
                yield from (secret for url in several(value) for secret in secrets_in(url))
            elif name == "hermes":
                yield from block_secrets(value)
            elif name in JOURNALS:
                yield from journal_secrets(one(value))
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
