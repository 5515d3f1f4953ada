"""Logging of the process: who may speak, in which form, and where to. Nobody ever waits for a line to be written."""

import logging
import os
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from typing import TextIO

from keeper.app.flood import FloodGate
from keeper.app.log_format import JsonFormatter, TextFormatter
from keeper.app.redaction import Redactor
from keeper.app.settings import LogFormat, LogLevel, Settings
from keeper.domain.errors import UsageError

_LONGEST_QUEUE = 10_000
"""Lines that wait to be written; further ones are dropped and counted."""
_STOP_PATIENCE_S = 3.0
_FILE_BYTES = 10_000_000
_OLD_FILES = 5


@contextmanager
def logging_as(
    settings: Settings, stream: TextIO, *, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Redactor]:
    """Log as the settings say, to the stream and to the log file if there is one; raises UsageError if that fails.

    What it gives keeps secrets out of the lines, and may be told further ones. Whoever asks for debugging gets every
    line; else those that come in numbers are counted.
    """
    redactor = Redactor(settings.secrets())
    handlers = [_stream_handler(stream, settings.log_format, redactor)]
    if settings.log_file is not None:
        handlers.append(_file_handler(settings.log_file, redactor))
    gate = None if settings.log_level is LogLevel.DEBUG else FloodGate()
    lines = _Lines(gate, monotonic)
    writer = _Writer(lines, handlers)
    with _installed(lines, settings.log_level):
        writer.start()
        try:
            yield redactor
        finally:
            lines.drain()
            writer.stop()
            for handler in handlers:
                handler.close()


class _Lines(QueueHandler):
    """Takes lines without ever waiting: where the queue is full they are dropped and counted."""

    queue: "queue.Queue[logging.LogRecord | None]"

    def __init__(self, gate: FloodGate | None, monotonic: Callable[[], float]) -> None:
        super().__init__(queue.Queue(_LONGEST_QUEUE))
        self._gate = gate
        self._monotonic = monotonic
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Called with the handler's lock held."""
        if self._gate is None:
            super().emit(record)
            return
        try:
            for line in self._gate.passing(record, self._monotonic()):
                super().emit(line)
        except Exception:  # noqa: BLE001  as logging has it: a line that cannot be made harms nobody who logs
            self.handleError(record)

    def drain(self) -> None:
        """Write what was left out so far."""
        self.acquire()
        try:
            for line in () if self._gate is None else self._gate.drain():
                super().emit(line)
        finally:
            self.release()

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Fix the message now, for its arguments may change; all other work is the writer's."""
        record.msg = record.getMessage()
        record.args = None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Called with the handler's lock held."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def take_dropped(self) -> int:
        """How many lines were dropped since the last call."""
        self.acquire()
        try:
            dropped, self._dropped = self._dropped, 0
            return dropped
        finally:
            self.release()


class _Writer(QueueListener):
    """Writes the lines in a thread of its own, and tells how many were dropped."""

    def __init__(self, lines: _Lines, handlers: Sequence[logging.Handler]) -> None:
        super().__init__(lines.queue, *handlers)
        self._lines = lines

    def handle(self, record: logging.LogRecord) -> None:
        """Write one line."""
        super().handle(record)
        dropped = self._lines.take_dropped()
        if dropped:
            super().handle(_dropped_record(dropped))

    def stop(self) -> None:
        """Write what waits, for a bounded time: whoever reads the stream may have stopped reading."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        try:
            self._lines.queue.put(None, timeout=_STOP_PATIENCE_S)
        except queue.Full:
            return
        thread.join(_STOP_PATIENCE_S)


@contextmanager
def _installed(lines: logging.Handler, level: LogLevel) -> Iterator[None]:
    """Our own loggers speak from the given level on, libraries from warnings on; at the end all is as it was."""
    root, ours = logging.getLogger(), logging.getLogger("keeper")
    handlers, root_level, our_level = root.handlers[:], root.level, ours.level
    ours.setLevel(level.upper())
    root.setLevel(max(logging.WARNING, ours.level))
    root.handlers[:] = [lines]
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(root_level)
        ours.setLevel(our_level)


def _stream_handler(stream: TextIO, form: LogFormat, redactor: Redactor) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    if form is LogFormat.JSON or (form is LogFormat.AUTO and not stream.isatty()):
        handler.setFormatter(JsonFormatter(redactor))
    else:
        handler.setFormatter(TextFormatter(redactor, colour=stream.isatty() and not os.environ.get("NO_COLOR")))
    return handler


def _file_handler(path: Path, redactor: Redactor) -> logging.Handler:
    try:
        handler = RotatingFileHandler(path, maxBytes=_FILE_BYTES, backupCount=_OLD_FILES, encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"LOG_FILE {path} cannot be written: {exc.strerror}") from exc
    handler.setFormatter(JsonFormatter(redactor))
    return handler


def _dropped_record(count: int) -> logging.LogRecord:
    fields = {"lines": count}
    return logging.makeLogRecord(
        {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": "log_lines_dropped"}
        | {"fields": fields, "text": f"{count} log lines were dropped: they came faster than they could be written"}
    )
