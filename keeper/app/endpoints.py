"""Addresses of RPC nodes and Hermes: read, checked, and named so that logs can speak of them without their keys."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import SecretStr, ValidationInfo

from keeper.app.problems import Wrong
from keeper.app.values import file_text, one, several

_RPC_SCHEMES = ("https", "wss", "http", "ws")
_HERMES_SCHEMES = ("https", "http")
_ENCRYPTED = {"https", "wss"}
_DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}

_PRIVATE_NETWORKS = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/32",
        "10.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::/128",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".svc")

_LEAST_SECRET_PASSWORD = 4
_LEAST_SECRET_PART = 12
"""Shorter parts of a path or query are words such as `mainnet`, and no keys."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address to talk to. Only the name is fit for logs: the URL may hold a key."""

    name: str
    url: SecretStr


def rpc_endpoints(value: object, info: ValidationInfo) -> tuple[Endpoint, ...]:
    """One or several addresses of RPC nodes, in the order in which they are tried."""
    urls = _checked(several(value), _RPC_SCHEMES, plaintext=_plaintext_allowed(info))
    return tuple(Endpoint(name, SecretStr(url)) for name, url in zip(endpoint_names(urls), urls, strict=True))


def hermes_endpoints(value: object, info: ValidationInfo) -> tuple[Endpoint, ...]:
    """One or several addresses of Hermes, which may have a path; without a slash at their ends."""
    urls = _checked(several(value), _HERMES_SCHEMES, plaintext=_plaintext_allowed(info))
    return tuple(
        Endpoint(name, SecretStr(url.rstrip("/"))) for name, url in zip(endpoint_names(urls), urls, strict=True)
    )


def webhook_endpoint(value: object, info: ValidationInfo) -> Endpoint:
    """One address that takes posts."""
    urls = _checked([one(value)], _HERMES_SCHEMES, plaintext=_plaintext_allowed(info))
    return Endpoint(endpoint_names(urls)[0], SecretStr(urls[0]))


def webhook_endpoint_file(value: object, info: ValidationInfo) -> Endpoint:
    """The same, that a file holds."""
    return webhook_endpoint(file_text(value), info)


def endpoint_names(urls: Sequence[str]) -> tuple[str, ...]:
    """A name for each URL: host, and port if unusual; `#2` and so on where a host comes again."""
    seen = Counter[str]()
    names = []
    for url in urls:
        host = _host_and_port(urlsplit(url))
        seen[host] += 1
        names.append(host if seen[host] == 1 else f"{host}#{seen[host]}")
    return tuple(names)


def secrets_in(url: str) -> Iterator[str]:
    """What of a URL must not be shown: the login, parts of path and query that may be keys, the URL that has them."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if target.strip("/") or "@" in parts.netloc:
        yield url
    if parts.password and len(parts.password) >= _LEAST_SECRET_PASSWORD:
        yield parts.password
    pieces = [parts.username or "", target, *parts.path.split("/"), *(text for _, text in parse_qsl(parts.query))]
    yield from (piece for piece in pieces if len(piece) >= _LEAST_SECRET_PART)


def is_private(host: str) -> bool:
    """Whether the host is this machine or in a private network, as far as its name or number tells."""
    try:
        number = ip_address(host)
    except ValueError:
        bare_name = "." not in host and not host[0].isdigit()
        return bare_name or host.endswith(_PRIVATE_SUFFIXES)
    if isinstance(number, IPv6Address) and number.ipv4_mapped:
        number = number.ipv4_mapped
    return _in_private_network(number)


def _in_private_network(number: IPv4Address | IPv6Address) -> bool:
    return any(number.version == network.version and number in network for network in _PRIVATE_NETWORKS)


def _plaintext_allowed(info: ValidationInfo) -> bool:
    """What the setting says, which is read before all addresses; one that is wrong permits nothing."""
    return bool(info.data.get("allow_plaintext"))


def _checked(urls: Sequence[str], schemes: Collection[str], *, plaintext: bool) -> Sequence[str]:
    if not urls:
        raise Wrong("names no address")
    reasons = []
    for number, url in enumerate(urls, start=1):
        which = f"address {number} " if len(urls) > 1 else ""
        reasons += [f"{which}{reason}" for reason in _faults(url, schemes, plaintext=plaintext)]
    if reasons:
        raise Wrong(*reasons)
    return urls


def _faults(url: str, schemes: Collection[str], *, plaintext: bool) -> Iterator[str]:
    """What is wrong with a URL; says nothing of it that may be a key."""
    scheme = url.partition("://")[0].lower()
    if scheme not in schemes or "://" not in url:
        yield f"does not start with {' or '.join(f'{scheme}://' for scheme in schemes)}"
        return
    parts = _split(url)
    if parts is None or not parts.hostname:
        yield "has no valid host and port: something like https://rpc.example.org:8545 is wanted"
    elif parts.scheme not in _ENCRYPTED and not plaintext and not is_private(parts.hostname):
        yield (
            f"talks to {parts.hostname} unencrypted: write {parts.scheme}s://,"
            " or set ALLOW_PLAINTEXT=true if the way there is safe"
        )


def _split(url: str) -> SplitResult | None:
    if not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _host_and_port(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f"{host}:{parts.port}"
