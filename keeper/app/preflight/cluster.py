"""Whether the service account may use the Leases by which keepers on Kubernetes agree who sends."""

from collections.abc import Sequence

from keeper.app.coordination import access, chosen
from keeper.app.coordination_settings import Coordination
from keeper.app.preflight.finding import Finding, State, tried
from keeper.app.settings import Settings
from keeper.coordination.kubernetes.access import Access
from keeper.coordination.kubernetes.rights import LEASE_VERBS, LEASES_GROUP, missing_rights
from keeper.domain.errors import UsageError

RIGHTS = "kubernetes rights"
_DEADLINE_S = 8.0


async def check_rights(settings: Settings) -> Finding | None:
    """None where keepers do not agree by Leases."""
    if chosen(settings) is not Coordination.KUBERNETES:
        return None
    try:
        cluster = access(settings)
    except UsageError as exc:
        return Finding(RIGHTS, State.FAIL, str(exc))
    found = await tried(RIGHTS, missing_rights(cluster), within_s=_DEADLINE_S)
    if isinstance(found, Finding):
        return found
    if found:
        return Finding(RIGHTS, State.FAIL, _advice(cluster, found))
    return Finding(RIGHTS, State.OK, f"may {_listed(LEASE_VERBS)} leases in the namespace {cluster.namespace}")


def _advice(cluster: Access, missing: Sequence[str]) -> str:
    return (
        f"the service account may not {_listed(missing)} leases in the namespace {cluster.namespace}, and never sends"
        f" without that: grant it {_listed(LEASE_VERBS)} on leases of {LEASES_GROUP} by a Role and a RoleBinding, as"
        " k8s/base/rbac.yaml does"
    )


def _listed(verbs: Sequence[str]) -> str:
    *most, last = verbs
    return f"{', '.join(most)} and {last}" if most else last
