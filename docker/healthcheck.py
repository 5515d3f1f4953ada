"""The health check of the container: `python healthcheck.py PATH [PORT]`, by default the keeper's port.

Prints the answer, for the engine to keep; exit code 1 when that is not 200, or there is none.
"""

import http.client
import os
import sys


def main(path: str, port: str = os.environ.get("METRICS_PORT") or "9090") -> int:
    """Ask what listens in this container."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=4)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        print(response.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException) as exc:
        print(f"nobody answers at port {port}: {exc}")
        return 1
    return 0 if response.status == http.HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
