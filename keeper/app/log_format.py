"""What a log line looks like: JSON for machines, text for people. Secrets are taken out of both."""

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from keeper.app.redaction import Redactor

SERVICE = "pyth-keeper"

_NO_FIELDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "fields", "text", "paced"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_COLOURS = {logging.DEBUG: "2", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31"}
"""ANSI codes by level; what is ordinary has none."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: timestamp, level, service and message, then whatever fields the event has."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "timestamp": _timestamp(record),
            "level": record.levelname.lower(),
            "service": SERVICE,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in fields_of(record).items() if name not in line}
        if not record.name.startswith("keeper"):
            line["logger"] = record.name
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return self._redactor.clean(json.dumps(line, default=str))


class TextFormatter(logging.Formatter):
    """Time, level and a sentence."""

    def __init__(self, redactor: Redactor, *, colour: bool) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._redactor = redactor
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end; more lines where there is a traceback."""
        time = f"{self.formatTime(record, self.datefmt)}.{int(record.msecs):03}"
        line = f"{time} {record.levelname:<8} {_on_one_line(_sentence(record))}"
        if record.exc_info:
            traceback = self.formatException(record.exc_info).splitlines()
            line = "\n".join([line, *(_on_one_line(part) for part in traceback)])
        line = self._redactor.clean(line)
        code = _COLOURS.get(record.levelno) if self._colour else None
        return f"\x1b[{code}m{line}\x1b[0m" if code else line


def fields_of(record: logging.LogRecord) -> Mapping[str, Any]:
    """What a record was given by `extra`, in a mapping called `fields` or each by its own name."""
    extra = {name: value for name, value in vars(record).items() if name not in _NO_FIELDS}
    return extra | dict(getattr(record, "fields", {}))


def _sentence(record: logging.LogRecord) -> str:
    """The text made for people, or the message and its fields."""
    text = getattr(record, "text", None)
    if isinstance(text, str):
        return text
    fields = (f"{name}={value}" for name, value in fields_of(record).items())
    return " ".join([record.getMessage(), *fields])


def _on_one_line(text: str) -> str:
    """Without characters that would break the line or steer the terminal: some of the text comes from strangers."""
    return _CONTROL.sub(lambda match: repr(match.group())[1:-1], text)


def _timestamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
