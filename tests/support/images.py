"""Images made of Debian's packages, for machines that reach no registry: a base, ours on it, and stand-ins for others.

`python -m tests.support.images` builds ours and says how large it is.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from keeper import __version__
from tests.support.podman import HOW_TO_ENABLE, Podman, can_run

REPOSITORY = Path(__file__).resolve().parents[2]
BASE = "localhost/keeper-tests/python:trixie"
KEEPER = "localhost/pyth-keeper:test"

_BOOTSTRAP = (
    "mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,ca-certificates",
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")),
    "trixie",
)  # fmt: skip
_STAND_INS = Path(__file__).with_name("stand_ins")


def base_image(podman: Podman) -> str:
    """A small Debian with Python."""
    if not podman.has(BASE):
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "base.tar"
            subprocess.run([*_BOOTSTRAP, archive], check=True)
            podman.run("import", archive, BASE)
    return BASE


def keeper_image(podman: Podman) -> str:
    """The keeper's image, on that base."""
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    ).stdout.strip()
    arguments = {"BASE": base_image(podman), "VERSION": __version__, "REVISION": revision}
    podman.build(REPOSITORY, tag=KEEPER, arguments=arguments)
    return KEEPER


def stand_in(podman: Podman, image: str, *, anvil: Path) -> None:
    """Let the name of an image from a registry, such as `docker.io/prom/prometheus:v3.5.0`, mean a stand-in for it."""
    target = image.rpartition("/")[2].partition(":")[0]
    base = base_image(podman)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(_STAND_INS, folder, dirs_exist_ok=True)
        shutil.copy(anvil, folder / "anvil")
        podman.build(folder, tag=image, target=target, arguments={"BASE": base})


def _main() -> None:
    if not can_run():
        sys.exit(HOW_TO_ENABLE)
    with Podman() as podman:
        start = time.monotonic()
        sizes = {}
        for image in (base_image(podman), keeper_image(podman)):
            sizes[image] = int(podman.run("image", "inspect", "--format={{.Size}}", image))
        base, keeper = sizes.values()
        took = time.monotonic() - start
        sys.stdout.write(
            f"{KEEPER}: {keeper / 1e6:.0f} MB, {(keeper - base) / 1e6:.0f} MB of them on top of the base,"
            f" in {took:.0f} s\n"
        )


if __name__ == "__main__":
    _main()
