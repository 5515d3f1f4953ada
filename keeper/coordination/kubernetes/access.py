"""How a process reaches the API of the cluster: a service account's token, the cluster's authority, a namespace."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from keeper.domain.errors import Fatal

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts them into a pod."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API is and where its credentials are; nothing is read before it is needed."""

    url: str
    folder: Path
    """Holds `token`, and `ca.crt` where the URL is https."""
    namespace: str

    def token(self) -> str:
        """As it is now: Kubernetes writes a new one every hour. Raises Fatal."""
        path = self.folder / "token"
        try:
            return path.read_text().strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise Fatal(f"the service account's token cannot be read at {path}: mount it") from exc

    def tls(self) -> ssl.SSLContext | bool:
        """Trusts the cluster's own authority alone. Raises Fatal."""
        if not self.url.startswith("https:"):
            return True
        path = self.folder / "ca.crt"
        try:
            return ssl.create_default_context(cafile=path)
        except OSError as exc:
            raise Fatal(f"the cluster's certificate cannot be read at {path}: mount it") from exc


def api_url(host: str, port: str) -> str:
    """By what Kubernetes tells every pod."""
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def namespace_in(folder: Path) -> str:
    """The pod's own; empty where that is not told."""
    try:
        return (folder / "namespace").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
