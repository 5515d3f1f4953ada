"""Unit tests really are cut off from the network and from the developer's settings."""

import asyncio
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_socket import SocketBlockedError


def test_refuses_a_network_socket() -> None:
    with pytest.raises(SocketBlockedError):
        socket.socket(socket.AF_INET)


async def test_lets_an_asyncio_loop_wake_itself() -> None:
    assert await asyncio.to_thread(lambda: "woken") == "woken"


async def test_refuses_a_connection_from_asyncio() -> None:
    with pytest.raises(SocketBlockedError):
        await asyncio.open_connection("127.0.0.1", 9)


@given(st.integers())
def test_lets_properties_be_tested(number: int) -> None:
    assert number == int(str(number))


def test_hides_the_settings_of_the_developer() -> None:
    assert not {"RPC_URL", "PRIVATE_KEY", "HERMES_URL"} & set(os.environ)
    assert not Path(".env").exists()
