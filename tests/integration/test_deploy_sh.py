"""`deploy.sh` in a stand-in project whose lock files name wheels on disk, so that no network is needed."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = ("cat", "cmp", "dirname", "grep", "head", "mv", "rm")

KEEPER = """
import json, os, signal, sys, threading
def main():
    print(json.dumps({"arguments": sys.argv[1:], "pid": os.getpid(), "folder": os.getcwd()}), flush=True)
    if "--wait" in sys.argv:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("drained"))
        print("ready", flush=True)
        threading.Event().wait(30)
"""
PYTEST = """
import json, os, sys
print(json.dumps({"arguments": sys.argv[1:]}))
sys.exit(int(os.environ.get("FAKE_PYTEST_EXIT", "0")))
"""
BACKEND = """
import pathlib, shutil
def build_editable(folder, *_):
    return pathlib.Path(shutil.copy(next(pathlib.Path("wheels").glob("pyth_keeper-*")), folder)).name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def make_wheel(folder: Path, name: str, files: Mapping[str, str]) -> Path:
    """A wheel of version 1 that holds the files; returns its path."""
    wheel = folder / f"{name}-1-py3-none-any.whl"
    info = f"{name}-1.dist-info"
    own = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, **own}.items():
            archive.writestr(path, text)
    return wheel


def locked(wheel: Path) -> str:
    """The lock file's line for a wheel under the checkout's folder `wheels`."""
    return f"./wheels/{wheel.name} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def make_checkout(folder: Path) -> Path:
    """A stand-in project around the real `deploy.sh` and the real pip wheel."""
    wheels = folder / "wheels"
    requirements = folder / "requirements"
    wheels.mkdir(parents=True)
    requirements.mkdir()
    shutil.copy(REPOSITORY / "deploy.sh", folder)
    for pip_wheel in (REPOSITORY / "requirements").glob("pip-*.whl"):
        shutil.copy(pip_wheel, requirements)
    entry_points = "[console_scripts]\nkeeper = stand_in:main\n"
    make_wheel(wheels, "pyth_keeper", {"stand_in.py": KEEPER, "pyth_keeper-1.dist-info/entry_points.txt": entry_points})
    runtime = locked(make_wheel(wheels, "lean", {"lean.py": ""}))
    dev = runtime + locked(make_wheel(wheels, "fake_pytest", {"pytest.py": PYTEST}))
    (requirements / "runtime.txt").write_text(runtime)
    (requirements / "dev.txt").write_text(dev)
    prefetch = folder / "tests" / "support" / "prefetch.py"
    prefetch.parent.mkdir(parents=True)
    prefetch.touch()
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    return folder


def deploy(
    checkout: Path, *arguments: str, interpreter: str = "sh", folder: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the checkout's `deploy.sh`, with the interpreter of these tests as python3."""
    return subprocess.run(
        [interpreter, str(checkout / "deploy.sh"), *arguments],
        cwd=folder,
        env=environment(checkout, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def environment(checkout: Path, **variables: str) -> dict[str, str]:
    """PATH and little else, so that neither the developer's settings nor pip's reach the script."""
    tools = checkout.parent / "python"
    tools.mkdir(exist_ok=True)
    if not (tools / "python3").exists():
        (tools / "python3").symlink_to(sys.executable)
    return {"PATH": f"{tools}:{os.defpath}", "HOME": str(checkout.parent), "PIP_CONFIG_FILE": os.devnull, **variables}


def told(result: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """What the stand-in said it was started with."""
    assert result.returncode == 0, result.stderr
    report: dict[str, object] = json.loads(result.stdout.splitlines()[0])
    return report


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout, in a folder whose name has spaces, that has run once."""
    made = make_checkout(tmp_path_factory.mktemp("deploy") / "a checkout")
    assert "installing" in deploy(made, "test").stderr
    return made


@pytest.mark.parametrize("arguments", [(), ("frobnicate",), ("--frobnicate",)])
def test_prints_usage_and_exits_2_for_what_it_does_not_know(arguments: tuple[str, ...]) -> None:
    result = deploy(REPOSITORY, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("usage: ./deploy.sh COMMAND")


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("interpreter", ["sh", "bash"])
def test_prints_usage_when_asked(option: str, interpreter: str) -> None:
    result = deploy(REPOSITORY, option, interpreter=interpreter)
    assert (result.returncode, result.stderr) == (0, "")
    assert "local" in result.stdout
    assert "test" in result.stdout


def test_installs_where_python_has_no_ensurepip(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "ensurepip.py").write_text("raise ModuleNotFoundError('No module named ensurepip')")
    made = make_checkout(tmp_path / "checkout")
    assert told(deploy(made, "local", PYTHONPATH=str(bare)))["arguments"] == ["demo"]


@pytest.mark.parametrize("said", ["Python 3.9.2", "Python 2.7.18"])
def test_says_which_python_it_needs_when_all_are_older(tmp_path: Path, said: str) -> None:
    for tool in TOOLS:
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    old = tmp_path / "python3"
    old.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo {said} && exit\nexit 1\n')
    old.chmod(0o755)
    checkout = make_checkout(tmp_path / "checkout")
    result = deploy(checkout, "local", interpreter="/bin/sh", PATH=str(tmp_path))
    assert result.returncode == 1
    assert "needs Python 3.11 or newer" in result.stderr
    assert f"found {said};" in result.stderr
    assert not (checkout / ".venv").exists()


def test_takes_a_newer_python_when_python3_is_too_old(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(shutil.which("false") or "")
    (tmp_path / "python3.11").symlink_to(sys.executable)
    made = make_checkout(tmp_path / "checkout")
    assert told(deploy(made, "local", PATH=f"{tmp_path}:{os.defpath}"))["arguments"] == ["demo"]


def test_refuses_a_damaged_pip_wheel(tmp_path: Path) -> None:
    made = make_checkout(tmp_path / "checkout")
    wheel = next((made / "requirements").glob("pip-*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    result = deploy(made, "local")
    assert result.returncode == 1
    assert "is damaged" in result.stderr


def test_refuses_a_package_whose_hash_is_not_the_locked_one(tmp_path: Path) -> None:
    made = make_checkout(tmp_path / "checkout")
    make_wheel(made / "wheels", "lean", {"lean.py": "tampered = True"})
    for _attempt in range(2):
        result = deploy(made, "local")
        assert result.returncode != 0
        assert "HASH" in result.stderr.upper()


def test_installs_nothing_when_nothing_changed(checkout: Path) -> None:
    for command in ("local", "test"):
        assert deploy(checkout, command).stderr == ""


def test_installs_again_when_the_lock_changed(checkout: Path) -> None:
    lock = checkout / "requirements" / "runtime.txt"
    before = lock.read_text()
    lock.write_text(before + locked(make_wheel(checkout / "wheels", "extra", {"extra.py": ""})))
    with (checkout / "requirements" / "dev.txt").open("a") as dev:
        dev.write("# changed\n")
    assert "installing" in deploy(checkout, "local").stderr
    subprocess.run([checkout / ".venv" / "bin" / "python", "-c", "import extra"], check=True)
    lock.write_text(before)
    assert "installing" in deploy(checkout, "test").stderr


@pytest.mark.parametrize("damage", ["installed", "bin/python", "pyvenv.cfg"])
def test_makes_a_half_made_environment_anew(checkout: Path, damage: str) -> None:
    (checkout / ".venv" / damage).unlink()
    result = deploy(checkout, "test")
    assert result.returncode == 0, result.stderr
    assert "making .venv" in result.stderr


def test_leaves_alone_what_a_link_leads_to(tmp_path: Path) -> None:
    made = make_checkout(tmp_path / "checkout")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").touch()
    (made / ".venv").symlink_to(theirs)
    told(deploy(made, "local"))
    assert (theirs / "file").exists()
    assert not (made / ".venv").is_symlink()


def test_makes_a_moved_environment_anew(checkout: Path) -> None:
    moved = checkout.rename(checkout.with_name("moved checkout"))
    try:
        assert told(deploy(moved, "local"))["folder"] == str(moved)
    finally:
        moved.rename(checkout)
        deploy(checkout, "test")


def test_works_from_any_folder(checkout: Path, tmp_path: Path) -> None:
    assert told(deploy(checkout, "local", folder=tmp_path))["folder"] == str(checkout)


@pytest.mark.parametrize(
    ("arguments", "dotenv", "rpc_url", "command"),
    [
        ((), "", "", "demo"),
        (("--feeds", "a b"), "# RPC_URL=http://127.0.0.1:1\nRPC_URL=\n", "", "demo"),
        ((), "RPC_URL=''\n", "", "demo"),
        ((), "", "http://127.0.0.1:1", "run"),
        (("--dry-run",), 'export RPC_URL = "http://127.0.0.1:1"\n', "", "run"),
        (("--config", "keeper.yaml"), "", "", "run"),
    ],
)
def test_runs_the_demo_until_a_network_is_configured(
    checkout: Path, arguments: tuple[str, ...], dotenv: str, rpc_url: str, command: str
) -> None:
    (checkout / ".env").write_text(dotenv)
    try:
        assert told(deploy(checkout, "local", *arguments, RPC_URL=rpc_url))["arguments"] == [command, *arguments]
    finally:
        (checkout / ".env").unlink()


def test_becomes_the_keeper_so_that_signals_reach_it(checkout: Path) -> None:
    process = subprocess.Popen(
        [checkout / "deploy.sh", "local", "--wait"],
        env=environment(checkout),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["pid"] == process.pid
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert errors == "drained\n"


@pytest.mark.parametrize("code", [0, 1, 5])
def test_passes_arguments_to_pytest_and_its_exit_code_back(checkout: Path, code: int) -> None:
    result = deploy(checkout, "test", "-k", "two words", FAKE_PYTEST_EXIT=str(code))
    assert result.returncode == code
    assert json.loads(result.stdout.splitlines()[-1])["arguments"][-2:] == ["-k", "two words"]
