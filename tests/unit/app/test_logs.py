"""Logs: JSON for machines, text on a terminal, no secrets, and nobody waits."""

import io
import json
import logging
import re
import threading
import warnings
from pathlib import Path

import pytest

from keeper.app.logs import logging_as
from keeper.domain.errors import UsageError
from tests.support.settings import PRIVATE_KEY, settings

log = logging.getLogger("keeper.test")

RPC_KEY = "rpc-key-0123456789"
SECRETS = {
    "RPC_URL": f"https://rpc.example.org/v2/{RPC_KEY}",
    "HERMES_API_KEY": "hermes-key-0123456789",
}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class StuckStream(io.StringIO):
    """A stream whose reader has stopped reading, until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.released = threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        self.released.wait(60)
        return super().write(text)


def chained(text: str) -> OSError:
    """An exception with a cause, both of which quote the text."""
    error = OSError(f"cannot reach {text}")
    error.__cause__ = ValueError(text)
    return error


def logged(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_fields() -> None:
    stream = io.StringIO()
    with logging_as(settings(), stream):
        log.info("something_happened", extra={"fields": {"push": 3, "wei": 10**30, "message": "not this one"}})
    (line,) = logged(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line.pop("timestamp")))
    assert line == {
        "level": "info",
        "service": "pyth-keeper",
        "message": "something_happened",
        "push": 3,
        "wei": 10**30,
    }


def test_fields_may_be_given_by_their_own_names() -> None:
    stream = io.StringIO()
    with logging_as(settings(), stream):
        log.warning("request of %s failed", "somebody", extra={"path": "/status"})
    (line,) = logged(stream)
    assert (line["message"], line["path"]) == ("request of somebody failed", "/status")


def test_a_terminal_gets_text_without_control_characters() -> None:
    terminal = Terminal()
    with logging_as(settings(), terminal):
        log.info("name", extra={"text": "evil \x1b[2J feed\nsecond line", "fields": {"a": 1}})
        log.info("plain", extra={"fields": {"a": 1}})
    first, second = terminal.getvalue().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} INFO     evil \\x1b\[2J feed\\nsecond line", first)
    assert second.endswith("INFO     plain a=1")


def test_warnings_are_coloured_on_a_terminal_unless_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    with logging_as(settings(), terminal):
        log.warning("careful")
    assert terminal.getvalue().startswith("\x1b[33m")
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    with logging_as(settings(), plain):
        log.warning("careful")
    assert "\x1b" not in plain.getvalue()


def test_the_form_may_be_chosen() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    with logging_as(settings({"LOG_FORMAT": "json"}), terminal):
        log.info("one")
    with logging_as(settings({"LOG_FORMAT": "text"}), pipe):
        log.info("one")
    assert logged(terminal)[0]["message"] == "one"
    assert pipe.getvalue().rstrip().endswith("INFO     one")


def test_lines_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    with logging_as(settings({"LOG_LEVEL": "warning"}), stream):
        log.info("unheard")
        log.warning("heard")
    assert [line["message"] for line in logged(stream)] == ["heard"]


def test_libraries_are_quiet_but_for_warnings_even_when_debugging() -> None:
    stream = io.StringIO()
    library = logging.getLogger("some.library")
    with logging_as(settings({"LOG_LEVEL": "debug"}), stream):
        library.info("chatter")
        library.warning("trouble")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("old ways", UserWarning, stacklevel=1)
    trouble, warning = logged(stream)
    assert (trouble["message"], trouble["logger"]) == ("trouble", "some.library")
    assert "old ways" in str(warning["message"])


def test_a_log_file_gets_json_as_well(tmp_path: Path) -> None:
    path, terminal = tmp_path / "keeper.log", Terminal()
    with logging_as(settings({"LOG_FILE": str(path)}), terminal):
        log.info("one")
    assert json.loads(path.read_text())["message"] == "one"
    assert terminal.getvalue().endswith("one\n")


def test_a_log_file_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "keeper.log"
    unwritable = settings({"LOG_FILE": str(path)})
    path.mkdir()
    with (
        pytest.raises(UsageError, match=r"LOG_FILE .* cannot be written: Is a directory"),
        logging_as(unwritable, io.StringIO()),
    ):
        pass


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_secret_is_written_wherever_it_is_planted(form: str, tmp_path: Path) -> None:
    path, stream = tmp_path / "keeper.log", io.StringIO()
    loaded = settings(SECRETS | {"LOG_FORMAT": form, "LOG_FILE": str(path)})
    planted = [f"0x{PRIVATE_KEY.upper()}", *SECRETS.values(), RPC_KEY]
    with logging_as(loaded, stream):
        for secret in planted:
            log.error("message %s", secret, extra={"text": f"text {secret}", "fields": {"deep": [{secret: secret}]}})
            log.error("bytes %r", secret.encode())
            log.error("failed", exc_info=chained(secret))
    written = f"{stream.getvalue()}{path.read_text()}".lower()
    assert written.count("[redacted]") > 2 * len(planted)
    for secret in (PRIVATE_KEY, RPC_KEY, SECRETS["HERMES_API_KEY"]):
        assert secret not in written


def test_an_exception_is_written_with_its_traceback() -> None:
    stream, terminal = io.StringIO(), Terminal()
    for target in (stream, terminal):
        with logging_as(settings(), target):
            log.error("failed", exc_info=chained("nowhere"))
    assert "OSError: cannot reach nowhere" in str(logged(stream)[0]["traceback"])
    assert "OSError: cannot reach nowhere" in terminal.getvalue().splitlines()[-1]


def test_nobody_waits_for_a_stuck_stream_and_lost_lines_are_counted() -> None:
    stream = StuckStream()
    with logging_as(settings({"LOG_LEVEL": "debug"}), stream):
        log.info("first")
        assert stream.entered.wait(60)
        for number in range(10_100):
            log.info("flood %d", number)
        stream.released.set()
    lines = logged(stream)
    lost = [line["lines"] for line in lines if line["message"] == "log_lines_dropped"]
    assert lost == [100]
    assert len(lines) == 1 + 10_000 + 1


def test_a_line_that_cannot_be_made_harms_nobody_who_logs(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    with logging_as(settings(), stream):
        for _ in range(20):
            log.warning("%d frames", "no number")
        log.warning({"a": "message"})
        log.info("something_happened")
    assert "something_happened" in [line["message"] for line in logged(stream)]
    assert "no number" in capsys.readouterr().err


def test_logging_is_left_as_it_was_found() -> None:
    root, ours = logging.getLogger(), logging.getLogger("keeper")
    before = (root.handlers[:], root.level, ours.level)
    with logging_as(settings({"LOG_LEVEL": "debug"}), io.StringIO()):
        assert ours.level == logging.DEBUG
    assert (root.handlers, root.level, ours.level) == before
