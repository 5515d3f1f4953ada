"""Whether this process could listen on a port, tried before it has to."""

import errno
import socket

from keeper.app.problems import shown


def port_problems(host: str, port: int) -> list[str]:
    """Why it could not, a line each; nothing if it could."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        return [f"METRICS_HOST: {shown(host)} is no address of this machine ({exc.strerror})"]
    refusals = {refusal for family, *_, address in addresses if (refusal := _refusal(family, address))}
    advice = "stop what listens there, or choose another METRICS_PORT (0 is any free one)"
    return [f"METRICS_PORT: cannot listen on {host} port {port} ({refusal}): {advice}" for refusal in refusals]


def _refusal(family: int, address: tuple[object, ...]) -> str | None:
    """Why the system does not let us listen there: taken or forbidden; other troubles are for the server to tell."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as exc:
        return exc.strerror if exc.errno in {errno.EADDRINUSE, errno.EACCES} else None
    return None
