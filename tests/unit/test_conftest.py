"""How a run of the tests is ordered, summed up, and judged in CI: seen from a run of its own in another process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

SETTINGS = "[pytest]\nmarkers = integration\nasyncio_default_fixture_loop_scope = function\n"
PASSES = "def test_passes(): pass\n"
SKIPS = "import pytest\ndef test_skips(): pytest.skip('no moon; enable with: ./moon.sh')\n"
SKIPS_AT_IMPORT = "import pytest\npytest.skip('no sun', allow_module_level=True)\n"
FAILS_AS_EXPECTED = "import pytest\n@pytest.mark.xfail\ndef test_fails(): assert False\n"


def run_tests(folder: Path, files: dict[str, str], *arguments: str, ci: str = "") -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (folder / "pytest.ini").write_text(SETTINGS)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", *arguments, str(folder)],
        cwd=REPOSITORY,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_names_what_was_skipped_and_how_to_enable_it(tmp_path: Path) -> None:
    result = run_tests(tmp_path, {"integration/test_a.py": SKIPS, "unit/test_b.py": PASSES})
    assert result.returncode == 0
    assert "unit         1 passed\nintegration  1 skipped\n" in result.stdout
    assert "no moon; enable with: ./moon.sh" in result.stdout
    assert "1 passed, 1 skipped" in result.stdout.splitlines()[-1]


@pytest.mark.parametrize(("skipping", "reason"), [(SKIPS, "no moon"), (SKIPS_AT_IMPORT, "no sun")])
def test_fails_in_ci_when_something_was_skipped(tmp_path: Path, skipping: str, reason: str) -> None:
    result = run_tests(tmp_path, {"unit/test_a.py": skipping, "unit/test_b.py": PASSES}, ci="true")
    assert result.returncode != 0
    assert f"CI skips nothing, but this was: Skipped: {reason}" in result.stdout


def test_lets_ci_pass_when_a_failure_was_expected(tmp_path: Path) -> None:
    result = run_tests(tmp_path, {"unit/test_a.py": FAILS_AS_EXPECTED}, ci="true")
    assert result.returncode == 0


def test_runs_unit_tests_before_the_integration_tests_marked_by_their_folder(tmp_path: Path) -> None:
    files = {"integration/test_a.py": PASSES, "unit/test_b.py": PASSES}
    in_order = run_tests(tmp_path, files, "-v").stdout
    assert in_order.index("test_b.py") < in_order.index("test_a.py")
    assert "1 passed, 1 deselected" in run_tests(tmp_path, files, "-m", "integration").stdout
