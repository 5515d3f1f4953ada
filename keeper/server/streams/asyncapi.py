"""What the streams tell, for programs: an AsyncAPI document made from the types of the frames themselves."""

from typing import Any, get_args

import msgspec

from keeper import __version__
from keeper.server.streams.frames import AnyFrame
from keeper.server.streams.stream_frames import DroppedFrame, HelloFrame
from keeper.server.streams.topics import PRIORITIES

_PARAMETERS = {
    "events": "Types of frames with commas between, `push` for all steps of pushes, or `all`.",
    "network": "Names of networks; frames that are about none come all the same.",
    "feed": "Aliases or ids of feeds; frames that name none come all the same.",
    "since": "The id of the last frame that was read; the header Last-Event-ID says the same.",
    "last": "Without an id: so many of the newest frames that are kept come first, 1000 at most.",
}
_WAYS = {
    "sse": ("/v1/sse/events", "Server-sent events: `id` and `event` are the frame's id and type, `data` is the frame."),
    "websocket": ("/v1/ws/events", "One frame a text message. What a client says is not heeded."),
}


def asyncapi() -> dict[str, Any]:
    """The document, AsyncAPI 3.0; its schemas are JSON Schemas."""
    kinds: tuple[type[msgspec.Struct], ...] = (*get_args(AnyFrame), HelloFrame, DroppedFrame)
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    names = {_type(kind): schema["$ref"].rpartition("/")[2] for kind, schema in zip(kinds, schemas, strict=True)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "pyth-keeper",
            "version": __version__,
            "description": "Every step of the keeper, as it happens. Times are Unix seconds; amounts, prices and"
            " deviations are strings, exact to the last digit. New types and keys may come, none changes its meaning.",
        },
        "servers": {"keeper": {"host": "127.0.0.1:9090", "protocol": "http"}},
        "channels": {
            way: {
                "address": path,
                "description": about,
                "messages": {type_: {"$ref": f"#/components/messages/{type_}"} for type_ in names},
            }
            for way, (path, about) in _WAYS.items()
        },
        "operations": {
            f"tell_{way}": {"action": "send", "channel": {"$ref": f"#/channels/{way}"}, "bindings": _asked_by(way)}
            for way in _WAYS
        },
        "components": {
            "messages": {
                type_: {
                    "name": type_,
                    "summary": components[name]["description"],
                    "contentType": "application/json",
                    "payload": {"$ref": f"#/components/schemas/{name}"},
                    **({"x-priority": PRIORITIES[type_].name.lower()} if type_ in PRIORITIES else {}),
                }
                for type_, name in names.items()
            },
            "schemas": components,
        },
    }


def _type(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


def _asked_by(way: str) -> dict[str, Any]:
    """The parameters of the request that opens the stream."""
    texts = {name: {"type": "string", "description": text} for name, text in _PARAMETERS.items()}
    return {"ws" if way == "websocket" else "http": {"method": "GET", "query": {"type": "object", "properties": texts}}}
