"""What the service account may do, by the API server's own word: every account may ask that of itself."""

from collections.abc import Sequence

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, hdrs

from keeper.coordination.kubernetes.access import Access
from keeper.domain.errors import Fatal, Transient

LEASE_VERBS = ("list", "create", "update")
"""All that a keeper does to Leases."""
LEASES_GROUP = "coordination.k8s.io"
_API = "authorization.k8s.io/v1"
_ANSWER_S = 5.0


class _Verdict(msgspec.Struct):
    allowed: bool = False


class _Review(msgspec.Struct):
    status: _Verdict


async def missing_rights(access: Access) -> Sequence[str]:
    """Those of LEASE_VERBS that it lacks in its namespace.

    Raises Fatal where the API server does not know it, Transient where it does not answer or will not tell.
    """
    session = ClientSession(
        connector=TCPConnector(ssl=access.tls()),
        timeout=ClientTimeout(total=_ANSWER_S),
        headers={hdrs.AUTHORIZATION: f"Bearer {access.token()}", hdrs.CONTENT_TYPE: "application/json"},
    )
    async with session:
        return [verb for verb in LEASE_VERBS if not await _may(session, access, verb)]


async def _may(session: ClientSession, access: Access, verb: str) -> bool:
    asked = {
        "apiVersion": _API,
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {
                "namespace": access.namespace,
                "group": LEASES_GROUP,
                "resource": "leases",
                "verb": verb,
            }
        },
    }
    url = f"{access.url}/apis/{_API}/selfsubjectaccessreviews"
    try:
        async with session.post(url, data=msgspec.json.encode(asked), allow_redirects=False) as response:
            status, body = response.status, await response.read()
    except TimeoutError as exc:
        raise Transient(f"the API server does not answer within {_ANSWER_S:g} s") from exc
    except (ClientError, OSError) as exc:
        raise Transient(f"the API server cannot be reached ({type(exc).__name__})") from exc
    if status == 401:
        raise Fatal("the API server does not know the service account's token (401): is it of this cluster?")
    if status != 201:
        raise Transient(f"the API server does not tell what the service account may do (it answers {status})")
    try:
        return msgspec.json.decode(body, type=_Review).status.allowed
    except msgspec.MsgspecError as exc:
        raise Transient("the API server answers with something that is no review of access") from exc
