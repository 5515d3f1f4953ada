"""Ports of our own, for servers that cannot be told to choose one."""

import socket


def free_port() -> int:
    """A port of the loopback interface that nobody listens on, for now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
