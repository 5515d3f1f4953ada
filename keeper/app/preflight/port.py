"""Whether the keeper could listen on its port."""

import aiohttp
import msgspec
from yarl import URL

from keeper.app.listening import port_problems
from keeper.app.preflight.finding import Finding, State
from keeper.server.health import Health

METRICS_PORT = "metrics port"
_DEADLINE_S = 3.0


async def check_port(host: str, port: int) -> Finding:
    """Free, taken by a keeper that runs already, or by somebody else."""
    problems = port_problems(host, port)
    if not problems:
        return Finding(METRICS_PORT, State.OK, f"{host} port {port} is free" if port else "any free one will do")
    if await _is_keeper(host, port):
        return Finding(
            METRICS_PORT, State.WARN, f"a keeper is running on {host} port {port}; only one can listen there"
        )
    return Finding(METRICS_PORT, State.FAIL, "; ".join(problems))


async def _is_keeper(host: str, port: int) -> bool:
    url = URL.build(scheme="http", host=host, port=port, path="/health")
    timeout = aiohttp.ClientTimeout(total=_DEADLINE_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, allow_redirects=False) as answer:
            msgspec.json.decode(await answer.read(), type=Health)
    except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError):
        return False
    return True
