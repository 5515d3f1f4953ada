"""Keeps secrets out of text, whatever way they got into it."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, unquote

MASK = "[redacted]"

_SHORTEST = 4
"""Anything shorter would blot out ordinary words."""
_KEY = re.compile(r"[0-9a-f]{64}")


class Redactor:
    """Replaces every known secret in a text, however it is written: escaped, quoted, encoded, in either case."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Replace these as well from now on; those before stay known, for old texts may still come."""
        known = self._known.union(secrets)
        if known == self._known:
            return
        spellings = {spelling for secret in known for spelling in _spellings(secret) if len(spelling) >= _SHORTEST}
        longest_first = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
        # One assignment: the thread that writes logs uses the pattern meanwhile.
        self._pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if spellings else None
        self._known = known

    def learning(self, read: Callable[[], str]) -> Callable[[], str]:
        """The same reader of a secret, each of whose answers is known before anybody can write it."""

        def reading() -> str:
            secret = read()
            self.learn([secret])
            return secret

        return reading

    def clean(self, text: str) -> str:
        """The text without the secrets."""
        pattern = self._pattern
        return pattern.sub(MASK, text) if pattern else text


def _spellings(secret: str) -> Iterator[str]:
    for plain in {secret, unquote(secret), quote(secret), quote(secret, safe="")}:
        yield plain
        for escaped in _escaped(plain):
            yield escaped
            yield from _escaped(escaped)
    for plain in {secret, unquote(secret)}:
        yield from _base64(plain.encode())
    if _KEY.fullmatch(secret.lower()):
        raw = bytes.fromhex(secret)
        yield repr(raw)[2:-1]
        yield str(int(secret, 16))
        yield from _base64(raw)


def _escaped(text: str) -> Iterator[str]:
    """As it stands in a string of JSON or of Python."""
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield repr(text)[1:-1]


def _base64(raw: bytes) -> Iterator[str]:
    """What base64 makes of it amid other bytes, in both alphabets, without what depends on its neighbours."""
    for before in range(3):
        encoded = b64encode(bytes(before) + raw).decode()
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        inner = encoded[first:last]
        if len(inner) > _SHORTEST:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")
