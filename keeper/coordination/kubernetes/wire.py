"""A lease as the API spells it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from keeper.coordination.lease import Lease

API_VERSION = "coordination.k8s.io/v1"
_OURS = "pyth-keeper/"
"""Before the names of our annotations; those of others are kept as they are."""
_GROUP = f"{_OURS}group"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NANOSECONDS = re.compile(r"(\.\d{6})\d+")


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    resource_version: str
    uid: str = ""
    annotations: dict[str, str] | None = None


class _Spec(msgspec.Struct, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class LeaseObject(msgspec.Struct):
    """What of a Lease is read."""

    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)


class LeaseList(msgspec.Struct):
    """What of a LeaseList is read."""

    items: list[LeaseObject] | None = None


class Status(msgspec.Struct):
    """What the API says of a request that failed."""

    message: str = ""


def selector(group: str) -> str:
    """Selects the leases of a group by their label."""
    return f"{_GROUP}={group}"


def lease_of(told: LeaseObject) -> Lease:
    """What a Lease means; raises ValueError for a time that is none."""
    spec = told.spec
    notes = (told.metadata.annotations or {}).items()
    return Lease(
        version=f"{told.metadata.resource_version}/{told.metadata.uid}",
        holder=spec.holder_identity or "",
        duration_s=spec.lease_duration_seconds or 0,
        epoch=spec.lease_transitions or 0,
        acquired_us=_microseconds(spec.acquire_time),
        renewed_us=_microseconds(spec.renew_time),
        notes={name.removeprefix(_OURS): text for name, text in notes},
    )


def object_of(name: str, group: str, lease: Lease) -> dict[str, Any]:
    """The Lease to write. One that nobody holds names no holder: an empty name is refused by newer clusters.

    It names the uid of the one that it replaces: else the API makes a Lease anew that was taken away meanwhile.
    """
    metadata: dict[str, Any] = {
        "name": name,
        "labels": {"app": "pyth-keeper", _GROUP: group},
        "annotations": _annotations(lease.notes),
    }
    if lease.version:
        metadata["resourceVersion"], _, metadata["uid"] = lease.version.partition("/")
    spec: dict[str, Any] = {
        "leaseDurationSeconds": lease.duration_s,
        "acquireTime": _micro_time(lease.acquired_us),
        "renewTime": _micro_time(lease.renewed_us),
        "leaseTransitions": lease.epoch,
    }
    if lease.holder:
        spec["holderIdentity"] = lease.holder
    return {"apiVersion": API_VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}


def _annotations(notes: Mapping[str, str]) -> dict[str, str]:
    return {name if "/" in name else f"{_OURS}{name}": text for name, text in notes.items()}


def _micro_time(microseconds: int) -> str:
    """With exactly six fractional digits: others are refused."""
    return (_EPOCH + microseconds * _MICROSECOND).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _microseconds(text: str | None) -> int:
    if text is None:
        return 0
    return (datetime.fromisoformat(_NANOSECONDS.sub(r"\1", text)) - _EPOCH) // _MICROSECOND
