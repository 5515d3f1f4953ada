"""The Hermes endpoints, each with its own key: a key goes to no host that it was not written for.

`HERMES_API_KEY` goes to every address of `HERMES_URL`; a block of `hermes` gets the key that stands in it, no other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationInfo

from keeper.app.endpoints import Endpoint, hermes_endpoints, secrets_in
from keeper.app.feeds import read_rows
from keeper.app.problems import Wrong
from keeper.app.values import ApiKey, ApiKeyFile, Label, Name, api_key, file_text

_WHAT = "endpoint"


@dataclass(frozen=True, slots=True)
class HermesPlace:
    """One endpoint and what opens it."""

    endpoint: Endpoint
    given_key: SecretStr | None = None
    key_file: Path | None = None

    def key(self) -> str:
        """The API key as of now, or nothing; a key file is read anew. Raises UsageError where that fails."""
        if self.key_file is not None:
            return api_key(file_text(str(self.key_file))).get_secret_value()
        return self.given_key.get_secret_value() if self.given_key else ""


class _Block(BaseModel):
    """One endpoint as listed in YAML."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: Label
    name: Name | None = None
    api_key: ApiKey | None = None
    api_key_file: ApiKeyFile | None = None


def hermes_places(value: object, info: ValidationInfo) -> tuple[HermesPlace, ...]:
    """A YAML list of endpoints, each a block with an address and what is special about it, or the address alone."""
    if not isinstance(value, list):
        raise Wrong("is not a list of endpoints: a line with `- url:` is wanted for each")
    blocks = read_rows([_row(row) for row in value], _Block, what=_WHAT)
    reasons = [
        f"{_WHAT} {number}: {reason}" for number, block in enumerate(blocks, start=1) for reason in _faults(block, info)
    ]
    if reasons:
        raise Wrong(*reasons)
    endpoints = hermes_endpoints([block.url for block in blocks], info)
    names = [block.name or endpoint.name for block, endpoint in zip(blocks, endpoints, strict=True)]
    if len(set(names)) < len(names):
        raise Wrong("calls two endpoints by one name: give each its own")
    return tuple(
        HermesPlace(Endpoint(name, endpoint.url), block.api_key, block.api_key_file)
        for name, endpoint, block in zip(names, endpoints, blocks, strict=True)
    )


def block_secrets(value: object) -> Iterator[str]:
    """What of the list is never to be shown, be it valid or not."""
    for row in value if isinstance(value, list) else ():
        block = _row(row)
        if isinstance(url := block.get("url"), str):
            yield from secrets_in(url.strip())
        if isinstance(key := block.get("api_key"), str):
            yield key.strip()


def _row(row: object) -> Mapping[str, object]:
    return row if isinstance(row, Mapping) else {"url": row}


def _faults(block: _Block, info: ValidationInfo) -> Iterator[str]:
    if block.api_key and block.api_key_file:
        yield "has api_key and api_key_file: only one of them can be set, remove the other"
    try:
        hermes_endpoints([block.url], info)
    except Wrong as exc:
        yield from (f"url {reason}" for reason in exc.reasons)
