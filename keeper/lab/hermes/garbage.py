"""Answers spoiled on purpose."""

from typing import Any, Literal

import msgspec

Garbage = Literal["json", "encoding", "update", "long_line"]


def spoil(body: bytes, garbage: Garbage, *, line_bytes: int) -> bytes:
    """A price answer made unusable: cut JSON, undecodable text for updates, cut updates, or one very long line."""
    match garbage:
        case "json":
            return body[: len(body) // 2]
        case "encoding":
            return _with_updates(body, ["neither hex nor base64"])
        case "update":
            return _with_updates(body, [_half(update) for update in _answer(body)["binary"]["data"]])
        case "long_line":
            return b'"' + b"x" * line_bytes + b'"'


def _answer(body: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(body)
    return answer


def _with_updates(body: bytes, updates: list[str]) -> bytes:
    answer = _answer(body)
    answer["binary"]["data"] = updates
    return msgspec.json.encode(answer)


def _half(update: str) -> str:
    """Cut where both hex and base64 stay whole."""
    return update[: len(update) // 8 * 4]
