"""The health check of the container: `python healthcheck.py live` or `ready`. Exit code 1, with why, when it is not."""

import http.client
import os
import sys


def main() -> int:
    """Ask the keeper in this container."""
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("METRICS_PORT") or 9090), timeout=4)
    try:
        connection.request("GET", f"/health/{sys.argv[1]}")
        response = connection.getresponse()
        print(response.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException) as exc:
        print(f"the keeper does not answer: {exc}")
        return 1
    return 0 if response.status == http.HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main())
