"""What reaches Gradio at all: bounded requests, no addresses to fetch, only the routes in use.

Gradio bounds each uploaded file but not their number, reads JSON of any length into memory,
fetches whatever public address a visitor names as a file, and has routes that this tab never uses.
An ASGI middleware in front of it refuses these in a sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_UPLOAD = 100 * 1024 * 1024
"""Bytes of one upload request, of however many photos."""

MAX_JSON = 1024 * 1024
"""Bytes of any other request: it names files, it does not carry them."""

MAX_HELD = 1024**3
"""Bytes of photos held at once; more wait for the sweep."""

UNUSED = re.compile(
    r"(/gradio)?(/gradio_api)?/+(proxy=|file=\s*[a-z]+:|file/|run-history|runs|vibe-|undo-vibe"
    r"|process_recording|profiling|monitoring|dev/|custom_component)",
    re.IGNORECASE,
)
"""Routes of Gradio's that fetch, record or edit; none is needed to classify a photo."""

ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]*://", re.IGNORECASE)


async def no_endpoint(request: Request, error: Exception) -> Response:
    """Answer a call of an endpoint that is not there; Gradio itself fails with a 500."""
    return PlainTextResponse("there is no such endpoint: see the API page", 404)


async def no_file(request: Request, error: Exception) -> Response:
    """Answer an upload whose parts are no files; other type errors are faults and stay so."""
    if not request.url.path.rstrip("/").endswith("/upload"):
        raise error
    return PlainTextResponse("the upload holds no file: send the photo as a file", 400)


@dataclass(frozen=True)
class Refusal(Exception):  # noqa: N818  (it is an answer, not a fault)
    """Why a request is not passed on."""

    status: int
    sentence: str


class Guard:
    """Passes on what the tab needs and answers everything else with 4xx, or 503 when full."""

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self.app, self.folder = app, folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            receive = await self._checked(scope, receive)
        except Refusal as no:
            await PlainTextResponse(no.sentence, no.status)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        path: str = scope["path"]
        if UNUSED.match(path):
            raise Refusal(403, "this part of Gradio is switched off here")
        if scope["method"] != "POST":
            return receive
        if path.rstrip("/").endswith("/upload"):
            self._check_room()
            _check_length(scope, MAX_UPLOAD)
            return receive
        _check_length(scope, MAX_JSON)
        return await _without_addresses(receive)

    def _check_room(self) -> None:
        held = sum(path.stat().st_size for path in _files(self.folder))
        if held > MAX_HELD:
            raise Refusal(503, "too many photos are being looked at: try again in ten minutes")


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path


def _check_length(scope: Scope, most: int) -> None:
    """Refuse a request by its declared length; the server cuts off what exceeds it."""
    told = dict(scope["headers"]).get(b"content-length")
    if told is None or not told.isdigit():
        raise Refusal(411, "the request does not tell its length: send Content-Length")
    if int(told) > most:
        raise Refusal(413, f"the request has {int(told):,} bytes, more than {most:,}: send less")


async def _without_addresses(receive: Receive) -> Receive:
    """Return a `receive` that gives the body again, once no file in it is an address."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body", False):
            break
    try:
        content = json.loads(body) if body else None
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "the request is not JSON that can be read: see the API page") from error
    if any(ADDRESS.match(path) for path in _paths(content)):
        raise Refusal(400, "a file is given by its address: upload the photo itself")
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _paths(content: object) -> Iterator[str]:
    """Yield every ``path`` in a JSON value; a stack, since nesting may be deep.

    A page names our own address of a photo as its ``url``; Gradio fetches none of those.
    """
    stack = [content]
    while stack:
        here = stack.pop()
        if isinstance(here, dict):
            stack += here.values()
            if isinstance(path := here.get("path"), str):
                yield path
        elif isinstance(here, list):
            stack += here
