"""Market data from CSV files, plain or gzipped: minute bars or ticks.

`timestamp,open,high,low,close` gives the close with half the bar's range as confidence; `timestamp,bid,ask` gives the
middle with half the spread. Timestamps are ISO 8601, UTC unless they say otherwise, and never go back.
"""

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TextIO

from keeper.domain.errors import UsageError
from keeper.lab.hermes.prices import MAX_PRICE, Quote, Row

_BARS = ["timestamp", "open", "high", "low", "close"]
_TICKS = ["timestamp", "bid", "ask"]


class _BadRow(ValueError):
    """Why a row is refused."""


def read_recording(path: Path, *, expo: int) -> list[Row]:
    """Every row of the file, prices scaled by 10**expo; raises UsageError naming the line and what is wrong with it."""
    try:
        with _open(path) as lines:
            rows = _read(lines, path=path, expo=expo)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as exc:
        raise UsageError(f"cannot read the market data in {path}: {exc}") from exc
    if not rows:
        raise UsageError(f"{path} holds no prices: it needs at least one line below the header")
    return rows


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _read(lines: Iterable[str], *, path: Path, expo: int) -> list[Row]:
    table = csv.reader(lines)
    try:
        return list(_rows(table, expo=expo))
    except (_BadRow, csv.Error) as exc:
        raise UsageError(f"{path}, line {max(table.line_num, 1)}: {exc}") from exc


def _rows(table: Iterator[list[str]], *, expo: int) -> Iterator[Row]:
    columns = next(table, [])
    if columns not in (_BARS, _TICKS):
        raise _BadRow(f"the header must be {','.join(_BARS)} or {','.join(_TICKS)}")
    previous: Row | None = None
    for fields in table:
        row = _row(fields, columns=columns, expo=expo)
        if previous and row.at_ms < previous.at_ms:
            raise _BadRow("its timestamp lies before the one of the line above")
        previous = row
        yield row


def _row(fields: list[str], *, columns: list[str], expo: int) -> Row:
    if len(fields) != len(columns):
        raise _BadRow(f"{len(fields)} fields where {len(columns)} are wanted: {','.join(columns)}")
    at_ms = _unix_ms(fields[0])
    values = [_scaled(text, name=name, expo=expo) for text, name in zip(fields[1:], columns[1:], strict=True)]
    if columns == _TICKS:
        return Row(at_ms, _tick(*values))
    return Row(at_ms, _bar(*values))


def _bar(opened: int, high: int, low: int, close: int) -> Quote:
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise _BadRow("open and close must lie between low and high")
    return Quote(close, (high - low) // 2)


def _tick(bid: int, ask: int) -> Quote:
    if bid > ask:
        raise _BadRow("the bid is above the ask")
    return Quote((bid + ask) // 2, (ask - bid) // 2)


def _unix_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise _BadRow(f"{text!r} is not a timestamp such as 2022-01-31T23:59:00Z") from exc
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _scaled(text: str, *, name: str, expo: int) -> int:
    try:
        value = Decimal(text)
    except InvalidOperation as exc:
        raise _BadRow(f"{name} {text!r} is not a number") from exc
    smallest = Decimal(1).scaleb(expo)
    if not value.is_finite() or not smallest <= value <= MAX_PRICE * smallest:
        raise _BadRow(f"{name} {text} is out of range: {smallest} to {MAX_PRICE * smallest} can be served")
    return int(value.scaleb(-expo))
