"""POST /v1/updates, /v1/pause and /v1/resume: what an operator orders, with the control token."""

import hmac
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, TypeVar

import msgspec
from aiohttp import hdrs, web

from keeper.domain.errors import KeeperError, Rejected, Transient, UsageError
from keeper.domain.orders import Addressee, Pause, PushRequest
from keeper.domain.status import NetworkStatus
from keeper.domain.units import FeedId
from keeper.ports import Clock, Observed, Orders
from keeper.server.errors import json_response
from keeper.server.moments import utc_text

log = logging.getLogger(__name__)

_Order = TypeVar("_Order", bound="OrderBody")
_SCHEME = "Bearer "

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Names = Annotated[list[Name], msgspec.Meta(max_length=5_000)]
Who = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[\x20-\x7e]*\Z")]


class OrderBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every order says."""

    networks: Names = []
    """All of them where it is empty."""
    by: Who = ""
    """Who asks, for the log and the journal."""


class UpdateBody(OrderBody, frozen=True, forbid_unknown_fields=True):
    """The body of POST /v1/updates."""

    feeds: Names = []
    """Aliases or ids; all feeds where it is empty."""


class OrderRoutes:
    """Leaves orders where whichever process keeps the feeds takes them."""

    def __init__(
        self,
        observed: Observed,
        orders: Orders,
        clock: Clock,
        *,
        token: Callable[[], str] | None,
        asked: Callable[[], None],
    ) -> None:
        """`token` is asked anew each time and raises UsageError where it cannot; without it there are no routes.

        `asked` is called when something new is to be heeded.
        """
        self._observed = observed
        self._orders = orders
        self._clock = clock
        self._token = token
        self._asked = asked

    def routes(self) -> list[web.RouteDef]:
        """None without a token."""
        if self._token is None:
            return []
        return [
            web.post("/v1/updates", self._update),
            web.post("/v1/pause", self._pause),
            web.post("/v1/resume", self._resume),
        ]

    async def _update(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        try:
            body = await _body(request, UpdateBody)
            chosen = self._chosen(body)
            wanted = dict(_feeds_of(chosen, body.feeds))
            now, by = self._clock.now(), _who(request, body)
            addressees = {name: _addressee(network) for name, network in chosen.items() if name in wanted}
            standing = await self._orders.look(addressees.values())
            if paused := [(name, at.pause) for name, to in addressees.items() if (at := standing[to]).pause]:
                return json_response({"error": _paused(paused)}, status=409)
            for name, addressee in addressees.items():
                feeds = frozenset(wanted[name]) if body.feeds else None
                await self._orders.ask(addressee, PushRequest(feeds, by), now)
        except KeeperError as exc:
            return _error(exc)
        self._asked()
        return json_response({"by": by, "networks": wanted}, status=202)

    async def _pause(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        try:
            body = await _body(request, OrderBody)
            chosen = {name: _addressee(network) for name, network in self._chosen(body).items()}
            pause = Pause(_who(request, body), self._clock.now())
            for addressee in chosen.values():
                await self._orders.pause(addressee, pause)
            standing = await self._orders.look(chosen.values())
        except KeeperError as exc:
            return _error(exc)
        self._asked()
        return json_response({"networks": {name: standing[each].pause for name, each in chosen.items()}})

    async def _resume(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        try:
            body = await _body(request, OrderBody)
            chosen = {name: _addressee(network) for name, network in self._chosen(body).items()}
            for addressee in chosen.values():
                await self._orders.resume(addressee, by=_who(request, body), now=self._clock.now())
        except KeeperError as exc:
            return _error(exc)
        self._asked()
        return json_response({"networks": dict.fromkeys(chosen)})

    def _refusal(self, request: web.Request) -> web.Response | None:
        """What whoever does not know the token is told; the comparison takes as long whatever is wrong."""
        try:
            token = self._token() if self._token is not None else ""
        except KeeperError as exc:
            fields = {"why": str(exc)}
            log.warning("control_token_unreadable", extra={"text": str(exc), "fields": fields})
            return json_response({"error": "the control token cannot be read: see the log"}, status=503)
        given = request.headers.get(hdrs.AUTHORIZATION, "")
        expected = f"{_SCHEME}{token}".encode()
        if token and hmac.compare_digest(given.encode(errors="surrogateescape"), expected):
            return None
        log.warning("order_refused", extra={"text": "an order without the control token", "fields": _origin(request)})
        response = json_response({"error": "the control token is wanted: Authorization: Bearer TOKEN"}, status=401)
        response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
        return response

    def _chosen(self, body: OrderBody) -> dict[str, NetworkStatus]:
        known = {network.name: network for network in self._observed.status().networks}
        if strange := [name for name in body.networks if name not in known]:
            raise Rejected(f"there is no network {strange[0]}: those that are kept are {', '.join(known)}")
        return {name: known[name] for name in body.networks} if body.networks else known


def _feeds_of(chosen: dict[str, NetworkStatus], names: Sequence[str]) -> Iterator[tuple[str, list[FeedId]]]:
    """Networks that keep any of the feeds, with the ids; raises Rejected for a feed that none of them keeps."""
    left = set(names)
    for network in chosen.values():
        wanted = [feed for feed in network.feeds if not names or {feed.alias, feed.feed_id} & set(names)]
        left -= {name for feed in wanted for name in (feed.alias, feed.feed_id)}
        if wanted:
            yield network.name, [feed.feed_id for feed in wanted]
    if left:
        raise Rejected(f"there is no feed {min(left)} on {', '.join(chosen)}: name feeds by alias or id, as in /status")


async def _body(request: web.Request, kind: type[_Order]) -> _Order:
    """The body, or all defaults where there is none; raises UsageError for anything else."""
    raw = await request.read()
    if raw and request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise UsageError(f"the body is not what is wanted: {exc}") from exc


def _who(request: web.Request, body: OrderBody) -> str:
    return f"{body.by or 'somebody'} over HTTP from {request.remote}"


def _origin(request: web.Request) -> dict[str, object]:
    return {"remote": request.remote, "path": request.path}


def _addressee(network: NetworkStatus) -> Addressee:
    return Addressee(network.name, network.account)


def _paused(networks: Sequence[tuple[str, Pause | None]]) -> str:
    told = [f"{name} is paused by {pause.by} since {utc_text(pause.since)}" for name, pause in networks if pause]
    return f"{'; '.join(told)}: resume it first, nothing was asked for"


def _error(exc: KeeperError) -> web.Response:
    if not isinstance(exc, Transient):
        return json_response({"error": str(exc)}, status=400)
    response = json_response({"error": f"the order cannot be left now, try again: {exc}"}, status=503)
    response.headers[hdrs.RETRY_AFTER] = "1"
    return response
