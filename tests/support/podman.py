"""Podman as a service in a mount namespace of its own, to work without systemd and cgroups as well.

Images and their layers stay in the user's cache folder; containers belong to those who start them.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Self

from keeper.lab.downloads import cache_folder

PACKAGES = ("podman", "buildah", "crun", "netavark", "aardvark-dns", "iptables", "mmdebstrap")
"""All that is needed, by their names in Debian."""
HOW_TO_ENABLE = f"no root with podman and its tools; enable with: sudo apt-get install {' '.join(PACKAGES)}"

_PROGRAMS = ("podman", "buildah", "crun", "mmdebstrap", "unshare", "iptables")
_CONFIG = """
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
log_driver = "k8s-file"

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"

[network]
network_backend = "netavark"
"""
_IN_A_NAMESPACE = ("unshare", "--mount", "sh", "-c", 'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"', "sh")
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_START_S = 20.0
_CALL_S = 300.0
_CHECK_EVERY_S = 0.5


def can_run() -> bool:
    """Whether this is a Linux machine that has it all, and we are root."""
    return sys.platform == "linux" and os.geteuid() == 0 and all(map(shutil.which, _PROGRAMS))


class Podman:
    """The service, inside a `with`."""

    socket: Path
    """Where it speaks Docker's protocol."""

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="keeper-podman-"))
        config = self._folder / "containers.conf"
        config.write_text(_CONFIG)
        self._environ = os.environ | {"CONTAINERS_CONF": str(config)}
        self.socket = self._folder / "podman.sock"
        command = [*_IN_A_NAMESPACE, "podman", *_store(), "system", "service", "--time=0", f"unix://{self.socket}"]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, env=self._environ, stdout=log, stderr=log)
        deadline = time.monotonic() + _START_S
        while not self.socket.exists():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self._process.kill()
                raise RuntimeError(f"podman does not start: {(self._folder / 'log').read_text()}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=_START_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, *arguments: str | Path) -> str:
        """A podman command; returns what it prints, and raises RuntimeError when it fails."""
        return self._call(["podman", "--remote", "--url", f"unix://{self.socket}", *arguments])

    def has(self, image: str) -> bool:
        """Whether there is such an image."""
        return bool(self.run("images", "--quiet", image))

    def build(self, context: Path, *, tag: str, arguments: Mapping[str, str], target: str | None = None) -> None:
        """Build an image with buildah; it trusts the authorities that this machine trusts while it is built."""
        command: list[str | Path] = [
            "buildah", *_store(), "build", "--isolation=chroot", "--network=host", "--format=docker", "--layers",
            f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro", f"--tag={tag}",
            *(f"--build-arg={name}={value}" for name, value in arguments.items()),
            *([] if target is None else [f"--target={target}"]), context,
        ]  # fmt: skip
        self._call(command)

    @contextmanager
    def checking_health(self) -> Iterator[None]:
        """Check the health of all containers again and again, which podman leaves to systemd."""
        ended = Event()

        def check() -> None:
            while not ended.wait(_CHECK_EVERY_S):
                for container in self.run("ps", "--quiet").split():
                    with suppress(RuntimeError):  # it is unhealthy, or gone
                        self.run("healthcheck", "run", container)

        checks = Thread(target=check, name="health checks")
        checks.start()
        try:
            yield
        finally:
            ended.set()
            checks.join()

    def _call(self, command: Sequence[str | Path]) -> str:
        done = subprocess.run(command, env=self._environ, capture_output=True, text=True, timeout=_CALL_S, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout


def _store() -> tuple[str, str]:
    folder = cache_folder() / "containers"
    return f"--root={folder / 'images'}", f"--runroot={folder / 'run'}"
