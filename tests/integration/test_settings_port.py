"""A port that somebody else listens on is told with all other mistakes in the settings."""

import socket

import pytest

from keeper.app.loading import load
from keeper.app.problems import SettingsError
from tests.support.settings import ENOUGH


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_in_use_is_told_beside_other_problems(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environ = ENOUGH | {"METRICS_HOST": host, "METRICS_PORT": str(port), "DEBOUNCE_MS": "x"}
        with pytest.raises(SettingsError) as raised:
            load(config_file=None, environ=environ, dotenv=None, port_must_be_free=True)
    in_use, other = raised.value.lines
    assert in_use.startswith(f"METRICS_PORT: cannot listen on {host} port {port} (Address already in use): stop what")
    assert other.startswith("DEBOUNCE_MS")


def test_a_free_port_is_no_problem() -> None:
    environ = ENOUGH | {"METRICS_PORT": "0"}
    assert load(config_file=None, environ=environ, dotenv=None, port_must_be_free=True).metrics_port == 0


def test_a_host_that_is_not_ours_is_told() -> None:
    environ = ENOUGH | {"METRICS_HOST": "no such host"}
    with pytest.raises(SettingsError, match="METRICS_HOST: 'no such host' is no address of this machine"):
        load(config_file=None, environ=environ, dotenv=None, port_must_be_free=True)
