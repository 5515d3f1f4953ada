"""Keeps secrets out of text, whatever way they got into it."""

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote

MASK = "[redacted]"

_SHORTEST = 4
"""Anything shorter would blot out ordinary words."""


class Redactor:
    """Replaces every known secret in a text, however it is written: escaped, quoted, in either case."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets for spelling in _spellings(secret) if len(spelling) >= _SHORTEST}
        longest_first = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
        self._pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if spellings else None

    def clean(self, text: str) -> str:
        """The text without the secrets."""
        return self._pattern.sub(MASK, text) if self._pattern else text


def _spellings(secret: str) -> Iterator[str]:
    yield secret
    yield unquote(secret)
    yield quote(secret)
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
