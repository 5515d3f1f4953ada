"""Installs what the tests of image and compose file need: `python -m tests.support.container_tools`."""

import sys
from functools import partial

from tests.support import compose, podman
from tests.support.debian import can_install, install

tell = partial(print, file=sys.stderr, flush=True)

if __name__ == "__main__":
    if not can_install():
        tell("without root on Debian, some tests will not run")
        sys.exit()
    if not podman.can_run():
        tell("installing podman and what it needs (apt-get)")
        install(*podman.PACKAGES)
    if not compose.is_installed():
        tell("installing compose (apt-get)")
        compose.install_compose()
