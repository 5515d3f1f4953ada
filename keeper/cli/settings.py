"""What every command does that needs the settings."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keeper.app.settings import Settings


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """The option that names a YAML file."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML file; the environment and .env win over it")


def load_settings(config: Path | None, *, port_must_be_free: bool = False) -> "Settings":
    """The settings of this process: environment, `.env` here, YAML; raises SettingsError with all that is wrong."""
    from keeper.app.loading import load

    return load(config_file=config, environ=os.environ, dotenv=Path.cwd() / ".env", port_must_be_free=port_must_be_free)


def watched_files(config: Path | None) -> tuple[Path, ...]:
    """The files that say which feeds to keep: the YAML file, `.env`, and a price_pusher file that the process names."""
    named = os.environ.get("PRICE_CONFIG_FILE")
    files = [config, Path.cwd() / ".env", Path(named).expanduser() if named else None]
    return tuple(path for path in files if path is not None)
