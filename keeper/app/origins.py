"""Whose pages may read what the keeper shows."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import PlainValidator

from keeper.app.problems import Wrong, shown
from keeper.app.values import several

_SCHEMES = {"http", "https"}


def origins(value: object) -> tuple[str, ...]:
    """Origins as browsers tell them, or `*` for all."""
    named = several(value)
    for origin in named:
        if origin != "*" and not _is_origin(origin):
            raise Wrong(f"{shown(origin)} is no origin: https://dashboard.example.org is one, without a path, or *")
    return tuple(dict.fromkeys(named))


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in _SCHEMES and bool(parts.hostname) and text == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return False


Origins = Annotated[tuple[str, ...], PlainValidator(origins)]
