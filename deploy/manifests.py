"""What deploy.sh needs to know of rendered manifests, and to make of them; they come by standard input.

manifests.py tag IMAGE        the same manifests with another image of the keeper; `:TAG` keeps the image's name
manifests.py image            the image of the keeper
manifests.py names            every object, as `kubectl get --output=name` calls it
manifests.py deployment       the keeper's Deployment alone
manifests.py preflight NAME SECONDS [OBJECT...]   a Job that runs `keeper check` as the new pods would, and its
                              settings; it does without what is not among these objects of the cluster, named as above
manifests.py keep NAME        a ConfigMap of that name that holds all of them but Secrets, for a rollback
manifests.py kept             what such a ConfigMap holds
"""

import base64
import copy
import gzip
import hashlib
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import yaml

KEEPER = "pyth-keeper"
ACCOUNT = f"serviceaccount/{KEEPER}"
SERVER = f"statefulset.apps/{KEEPER}-postgres"
"""What a first rollout makes, and the preflight before it cannot use."""
KEPT = "manifests.yaml.gz"
KEPT_S = 3600
"""A Job that nobody deletes is gone after so long."""

Manifest = dict[str, Any]


def main(arguments: list[str], manifests: list[Manifest]) -> None:
    """Do as told."""
    match arguments:
        case ["tag", image]:
            write(tagged(manifests, image))
        case ["image"]:
            print(keeper_of(manifests)["image"])
        case ["names"]:
            print(*names(manifests), sep="\n")
        case ["deployment"]:
            write([deployment_of(manifests)])
        case ["preflight", name, seconds, *live]:
            write(preflight(manifests, name, within_s=int(seconds), live=live))
        case ["keep", name]:
            write([kept_as(name, manifests)])
        case ["kept"]:
            (kept,) = manifests
            sys.stdout.write(gzip.decompress(base64.b64decode(kept["binaryData"][KEPT])).decode())
        case _:
            sys.exit(__doc__)


def deployment_of(manifests: Iterable[Manifest]) -> Manifest:
    """The keeper's."""
    return next(each for each in manifests if (each["kind"], each["metadata"]["name"]) == ("Deployment", KEEPER))


def keeper_of(manifests: Iterable[Manifest]) -> Manifest:
    """Its container."""
    containers: list[Manifest] = deployment_of(manifests)["spec"]["template"]["spec"]["containers"]
    return next(each for each in containers if each["name"] == KEEPER)


def tagged(manifests: list[Manifest], image: str) -> list[Manifest]:
    """With this image, or with this tag of the one there is."""
    keeper = keeper_of(manifests)
    head, slash, last = keeper["image"].rpartition("/")
    keeper["image"] = f"{head}{slash}{re.split('[:@]', last)[0]}{image}" if image.startswith(":") else image
    return manifests


def names(manifests: Iterable[Manifest]) -> Iterator[str]:
    """Kind, group where there is one, and name."""
    for each in manifests:
        group = each["apiVersion"].rpartition("/")[0]
        kind = ".".join(filter(None, (each["kind"].lower(), group)))
        yield f"{kind}/{each['metadata']['name']}"


def preflight(manifests: list[Manifest], name: str, *, within_s: int, live: Collection[str]) -> list[Manifest]:
    """The new pods' image, settings and secrets, without serving: what is found wrong has changed nothing."""
    deployment = copy.deepcopy(deployment_of(manifests))
    metadata = {
        "name": name,
        "namespace": deployment["metadata"]["namespace"],
        "labels": {"app": f"{KEEPER}-preflight"},
    }
    pod, keeper = deployment["spec"]["template"]["spec"], keeper_of([deployment])
    keeper["args"] = ["check", *keeper["args"][1:]]
    for part in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports"):
        keeper.pop(part, None)
    for part in ("topologySpreadConstraints", "terminationGracePeriodSeconds"):
        pod.pop(part, None)
    pod["restartPolicy"] = "Never"
    if ACCOUNT not in live:
        del pod["serviceAccountName"]
        pod["automountServiceAccountToken"] = False
        replace_variable(keeper, "COORDINATION", "none")
    if SERVER in names(manifests) and SERVER not in live:
        replace_variable(keeper, "JOURNAL_URL", "sqlite:////tmp/preflight.db")
        replace_variable(keeper, "JOURNAL_PASSWORD_FILE", "")
    settings = next(volume["configMap"] for volume in pod["volumes"] if "configMap" in volume)
    (data,) = (each["data"] for each in manifests if each["metadata"]["name"] == settings["name"])
    settings["name"] = name
    job = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": within_s,
        "ttlSecondsAfterFinished": KEPT_S,
        "template": {"metadata": {"labels": metadata["labels"]}, "spec": pod},
    }
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data},
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": job},
    ]


def replace_variable(container: Manifest, name: str, value: str) -> None:
    """Set an environment variable that is there."""
    next(each for each in container["env"] if each["name"] == name)["value"] = value


def kept_as(name: str, manifests: list[Manifest]) -> Manifest:
    """Compressed: a ConfigMap holds one MiB. It is `applied` until somebody labels it `verified`.

    Equal manifests have equal digests.
    """
    text = yaml.safe_dump_all([each for each in manifests if each["kind"] != "Secret"], sort_keys=False)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": deployment_of(manifests)["metadata"]["namespace"],
            "labels": {f"{KEEPER}/set": "applied", f"{KEEPER}/digest": hashlib.sha256(text.encode()).hexdigest()[:16]},
            "annotations": {f"{KEEPER}/image": keeper_of(manifests)["image"]},
        },
        "binaryData": {KEPT: base64.b64encode(gzip.compress(text.encode())).decode()},
    }


def write(manifests: Iterable[Manifest]) -> None:
    """As YAML."""
    yaml.safe_dump_all(manifests, sys.stdout, sort_keys=False)


if __name__ == "__main__":
    main(sys.argv[1:], [each for each in yaml.safe_load_all(sys.stdin) if each])
