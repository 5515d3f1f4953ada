"""GET /: the live page, and the files that it consists of. It only ever reads what other routes show."""

from hashlib import sha256
from importlib.resources import files

from aiohttp import hdrs, web

_FOLDER = "page"
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_INDEX = "index.html"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    hdrs.CACHE_CONTROL: "no-cache",
}


def routes() -> list[web.RouteDef]:
    """One for each file: they are few, read once, and nothing else can be asked for."""
    package = files("keeper.server").joinpath(_FOLDER)
    pages = {
        file.name: _PageFile(file.name, file.read_bytes()) for file in package.iterdir() if _kind(file.name) in _TYPES
    }
    index = pages.pop(_INDEX)
    return [web.get("/", index.answer), *(web.get(f"/page/{name}", pages[name].answer) for name in sorted(pages))]


class _PageFile:
    def __init__(self, name: str, body: bytes) -> None:
        self._body = body
        self._etag = sha256(body).hexdigest()[:32]
        self._headers = {**_HEADERS, hdrs.CONTENT_TYPE: _TYPES[_kind(name)]}

    async def answer(self, request: web.Request) -> web.Response:
        """The file, or 304 where the client has it already."""
        known = {etag.value for etag in request.if_none_match or ()}
        if self._etag in known:
            response = web.Response(status=304, headers=_HEADERS)
        else:
            response = web.Response(body=self._body, headers=self._headers)
        response.etag = self._etag
        return response


def _kind(name: str) -> str:
    return name.rpartition(".")[2]
