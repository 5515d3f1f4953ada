"""Ports of our own, for servers that cannot be told to choose one, or that come back to the one they had."""

import random
import socket

_BELOW_THE_SYSTEMS_OWN = range(20_000, 32_000)
"""What the system gives to connections and to whoever listens at port 0 lies higher, where it is not set otherwise."""
_DICE = random.SystemRandom()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on, and that nobody else is given by chance."""
    while True:
        port = _DICE.choice(_BELOW_THE_SYSTEMS_OWN)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
