"""Writes many values to standard output as they come, until nobody reads any more."""

import csv
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

import msgspec

from keeper.domain.errors import Rejected


class Printable(Protocol):
    """A msgspec struct that knows what it is in a table."""

    def row(self) -> dict[str, object]:
        """Its columns."""
        ...


def writer(kind: str) -> Callable[[Iterable[Printable]], None]:
    """What prints values as they come: `json` as a document a line, `csv` as rows under a heading.

    Whoever reads may stop reading at any time.
    """
    return partial(_until_nobody_reads, _write_csv if kind == "csv" else _write_json)


def _until_nobody_reads(write: Callable[[Iterable[Printable]], None], values: Iterable[Printable]) -> None:
    try:
        write(values)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as exc:
        raise Rejected(f"the output cannot be written: {exc.strerror}") from exc


def _write_json(values: Iterable[Printable]) -> None:
    for value in values:
        sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _write_csv(values: Iterable[Printable]) -> None:
    table: csv.DictWriter[str] | None = None
    for value in values:
        row = value.row()
        if table is None:
            table = csv.DictWriter(sys.stdout, row.keys(), lineterminator="\n")
            table.writeheader()
        table.writerow(row)
