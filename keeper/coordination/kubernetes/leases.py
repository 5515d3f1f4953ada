"""Leases of a Kubernetes cluster: one object a shard, replaced by compare and swap on its resourceVersion.

Needs the verbs list, create and update on leases of one namespace, and nothing else.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, hdrs

from keeper.coordination.kubernetes.access import Access
from keeper.coordination.kubernetes.wire import (
    API_VERSION,
    LeaseList,
    LeaseObject,
    Status,
    lease_of,
    object_of,
    selector,
)
from keeper.coordination.lease import Conflict, Lease
from keeper.domain.errors import Fatal, Transient

_T = TypeVar("_T")

_ANSWER_S = 5.0
_CREATED_OR_REPLACED = frozenset({200, 201})
_VERBS = {"GET": "list", "POST": "create", "PUT": "update"}


class KubernetesLeases:
    """See LeaseStore."""

    def __init__(self, access: Access, *, group: str) -> None:
        """`group`: what the names of the leases begin with; keepers that share it compete."""
        self._access = access
        self._group = group
        self._path = f"{access.url}/apis/{API_VERSION}/namespaces/{access.namespace}/leases"
        self._session: ClientSession | None = None

    async def read(self) -> Mapping[str, Lease]:
        """See LeaseStore."""
        status, body = await self._ask("GET", self._path, params={"labelSelector": selector(self._group)})
        if status != 200:
            raise self._refusal("GET", status, body)
        prefix = f"{self._group}-"
        told = self._decoded(body, LeaseList).items or []
        return {each.metadata.name.removeprefix(prefix): self._meant(each) for each in told}

    async def write(self, shard: str, lease: Lease) -> Lease:
        """See LeaseStore."""
        name = f"{self._group}-{shard}"
        method, url = ("PUT", f"{self._path}/{name}") if lease.version else ("POST", self._path)
        wanted = object_of(name, self._group, lease)
        status, body = await self._ask(method, url, body=msgspec.json.encode(wanted))
        if status in _CREATED_OR_REPLACED:
            return self._meant(self._decoded(body, LeaseObject))
        if status == 409 or (status == 404 and lease.version):
            raise Conflict(f"the Lease {name} was written by another keeper, or taken away")
        raise self._refusal(method, status, body)

    async def close(self) -> None:
        """See LeaseStore."""
        if self._session is not None:
            await self._session.close()

    async def _ask(
        self, method: str, url: str, *, params: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, bytes]:
        headers = {hdrs.AUTHORIZATION: f"Bearer {self._access.token()}", hdrs.CONTENT_TYPE: "application/json"}
        try:
            async with self._opened().request(
                method, url, params=params, data=body, headers=headers, allow_redirects=False
            ) as response:
                return response.status, await response.read()
        except TimeoutError as exc:
            raise Transient(f"the API server does not answer within {_ANSWER_S:g} s") from exc
        except (ClientError, OSError) as exc:
            raise Transient(f"the API server cannot be reached ({type(exc).__name__})") from exc

    def _opened(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(ssl=self._access.tls()), timeout=ClientTimeout(total=_ANSWER_S)
            )
        return self._session

    def _meant(self, told: LeaseObject) -> Lease:
        try:
            return lease_of(told)
        except ValueError as exc:
            raise Transient(f"the Lease {told.metadata.name} holds a time that cannot be read") from exc

    def _decoded(self, body: bytes, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as exc:
            raise Transient("the API server answers with something that is no Lease") from exc

    def _refusal(self, method: str, status: int, body: bytes) -> Fatal | Transient:
        match status:
            case 401:
                return Fatal("the API server does not know the service account's token (401): is it of this cluster?")
            case 403:
                return Fatal(
                    f"the service account may not {_VERBS[method]} leases in the namespace {self._access.namespace}:"
                    " grant it list, create and update on leases of coordination.k8s.io"
                )
            case 404:
                return Fatal(f"the API server knows no leases in the namespace {self._access.namespace}: is it there?")
            case 400 | 422:
                return Fatal(f"the API server takes no such Lease: {_message(body)}")
            case _:
                return Transient(f"the API server answers {status}: {_message(body)}")


def _message(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=Status).message[:200]
    except msgspec.MsgspecError:
        return "no reason given"
