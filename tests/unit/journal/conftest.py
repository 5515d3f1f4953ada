"""Journals of unit tests lie in memory: a record that outlives the power waits for the disk, and others write there."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

MEMORY = Path("/dev/shm")  # noqa: S108 - each test has a folder of its own there


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory, or on the disk where the machine has no files in memory."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)
