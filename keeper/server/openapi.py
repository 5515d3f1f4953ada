"""GET /openapi.json: what the routes take and answer, made from the shapes that they are written with (OpenAPI 3.1)."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from aiohttp import web

from keeper import __version__
from keeper.server.errors import json_response
from keeper.server.explained import ExplainedView
from keeper.server.health import Health, Readiness
from keeper.server.monitoring import Monitoring
from keeper.server.orders import OrderBody, UpdateBody
from keeper.server.streams.health import StreamingHealth
from keeper.server.supported import SupportedView
from keeper.server.views import PauseView, StatusView

_REF = "#/components/schemas/{name}"
_JSON = "application/json"
_DESCRIPTION = (
    "What a keeper shows of itself, and the orders that it takes: these exist only where a control token is set."
    " docs/http.md explains every key."
)
Shape: TypeAlias = object
"""A type that msgspec knows; a text is the media type of an answer that is not JSON; None is no content."""
Answers: TypeAlias = dict[int, Shape]
_TOKEN = "controlToken"  # noqa: S105  a name


class Failure(msgspec.Struct, frozen=True):
    """Why there is no answer."""

    error: str
    """What is wrong, and often what to do."""
    routes: list[str] | None = None
    """What there is, where nothing is at a path."""
    near: list[str] | None = None
    """Aliases that are spelled alike, where no feed is called so."""


class Alive(msgspec.Struct, frozen=True):
    """The event loop turns."""

    status: str


class Asked(msgspec.Struct, frozen=True):
    """Who asked, and the ids of the feeds by network."""

    by: str
    networks: dict[str, list[str]]


class Standing(msgspec.Struct, frozen=True):
    """Whether each network is paused, and by whom."""

    networks: dict[str, PauseView | None]


@dataclass(frozen=True, slots=True)
class Operation:
    """One route."""

    method: str
    path: str
    summary: str
    answers: Answers
    """By status."""
    body: Shape = None
    parameters: tuple[str, ...] = ()
    """Parts of the path."""


_HEALTH: Answers = {200: Health, 503: Health}
_STREAM: Answers = {400: Failure, 403: Failure, 503: Failure}
_ORDER: Answers = dict.fromkeys((400, 401, 404, 408, 413, 415, 503), Failure)

OPERATIONS: Sequence[Operation] = (
    Operation("get", "/", "The live page", {200: "text/html", 304: None}),
    Operation("get", "/page/{file}", "A file of the live page", {200: "*/*", 304: None, 404: Failure}, None, ("file",)),
    Operation("get", "/health", "How every part is, and why", _HEALTH),
    Operation("get", "/health/live", "Whether the event loop turns", {200: Alive}),
    Operation("get", "/health/ready", "Whether traffic may rely on the keeper", {200: Readiness, 503: Readiness}),
    Operation("get", "/status", "Every network, feed and source", {200: StatusView}),
    Operation("get", "/supported", "What is kept fresh", {200: SupportedView}),
    Operation("get", "/monitoring/status", "How the chain is followed, and what that costs", {200: Monitoring}),
    Operation("get", "/metrics", "For Prometheus", {200: "text/plain"}),
    Operation("get", "/v1/asyncapi.json", "What the streams tell, as AsyncAPI", {200: dict[str, Any]}),
    Operation("get", "/v1/sse/events", "Every step as it happens", {200: "text/event-stream"} | _STREAM),
    Operation("get", "/v1/ws/events", "The same over WebSocket", {101: None, 426: Failure} | _STREAM),
    Operation("get", "/v1/health/streaming", "How the streams do", {200: StreamingHealth, 503: StreamingHealth}),
    Operation("get", "/openapi.json", "This document", {200: dict[str, Any]}),
    Operation(
        "get",
        "/v1/feeds/{network}/{feed}",
        "Why a feed is due or not; the feed by alias, in which a slash may stand as it is, or id",
        {200: ExplainedView, 404: Failure},
        None,
        ("network", "feed"),
    ),
    Operation("post", "/v1/updates", "Have feeds pushed now", {202: Asked, 409: Failure} | _ORDER, UpdateBody),
    Operation("post", "/v1/pause", "Push nothing new until somebody resumes", {200: Standing} | _ORDER, OrderBody),
    Operation("post", "/v1/resume", "End a pause", {200: Standing} | _ORDER, OrderBody),
)


def routes() -> list[web.RouteDef]:
    """The one that answers with the document."""
    described = functools.cache(document)

    async def answer(_request: web.Request) -> web.Response:
        return json_response(described())

    return [web.get("/openapi.json", answer)]


def document() -> dict[str, Any]:
    """The whole of it."""
    shapes = [shape for each in OPERATIONS for shape in _shapes(each)]
    schemas, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    named = dict(zip(map(_key, shapes), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method] = _operation(each, named)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "pyth-keeper",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {_TOKEN: {"type": "http", "scheme": "bearer"}},
        },
    }


def _shapes(each: Operation) -> Iterator[Shape]:
    answers = (shape for shape in each.answers.values() if shape is not None and not isinstance(shape, str))
    yield from (*answers, Failure, *(() if each.body is None else (each.body,)))


def _key(shape: Shape) -> str:
    return repr(shape)


def _operation(each: Operation, named: Mapping[str, Any]) -> dict[str, Any]:
    answers: Answers = {**each.answers, 429: Failure}
    told: dict[str, Any] = {
        "operationId": f"{each.method} {each.path}",
        "summary": each.summary,
        "responses": {str(status): _answer(status, shape, named) for status, shape in sorted(answers.items())},
    }
    if each.parameters:
        told["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in each.parameters
        ]
    if each.body is not None:
        told["requestBody"] = {"required": False, "content": {_JSON: {"schema": named[_key(each.body)]}}}
        told["security"] = [{_TOKEN: []}]
    return told


def _answer(status: int, shape: Shape, named: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"description": web.Response(status=status).reason or str(status)}
    if isinstance(shape, str):
        told["content"] = {shape: {"schema": {"type": "string"}}}
    elif shape is not None:
        told["content"] = {_JSON: {"schema": named[_key(shape)]}}
    return told
