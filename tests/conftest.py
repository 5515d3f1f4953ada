"""What every run of the tests does: unit tests first, a summary by part, and nothing skipped in CI."""

import asyncio
import os
from collections.abc import Generator
from pathlib import PurePosixPath

import hypothesis
import pytest

IN_CI = os.environ.get("CI") == "true"
PARTS = ("unit", "integration", "browser", "manifests", "image", "drills")
OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed")

# Else pytest-asyncio, looking for a current loop, makes one that nobody closes.
asyncio.set_event_loop(None)

hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "dev"))


def part_of(node_id: str) -> str:
    """The part of the tests that a node id belongs to, by its folder."""
    folders = PurePosixPath(node_id.partition("::")[0]).parts
    return next((part for part in PARTS if part in folders), "unit")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder and run the unit tests first."""
    for item in items:
        if part_of(item.nodeid) != "unit":
            item.add_marker(part_of(item.nodeid))
    items.sort(key=lambda item: PARTS.index(part_of(item.nodeid)))


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"CI skips nothing, but this was: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed one."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI a skipped module is a failed one."""
    report = yield
    _refuse_skip(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print each part's outcomes, and why tests were skipped: their reasons say how to enable them."""
    terminalreporter.section("parts")
    for part in PARTS:
        counts = {
            outcome: sum(part_of(report.nodeid) == part for report in terminalreporter.getreports(outcome))
            for outcome in OUTCOMES
        }
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        if told or part in {"unit", "integration"}:
            terminalreporter.line(f"{part:12} {told or 'no test ran'}")
    reasons: dict[str, int] = {}
    for report in terminalreporter.getreports("skipped"):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in reasons.items():
        terminalreporter.line(f"skipped {count:4} {reason}")
