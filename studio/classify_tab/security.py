"""What reaches Gradio at all: the routes in use, with bodies of the form that they need.

Gradio opens whatever path a request names (mounted, it checks none), reads JSON of any length and
form, and has routes that this tab never uses. This ASGI app stands in front of it. A request passes
only if its route is listed here, its body is rebuilt from what the route needs, and each file it
names is a photo of `studio.classify_tab.uploads`. Uploads are received here; Gradio never sees one.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fermodels.errors import FerError
from studio.classify_tab.reading import MAX_PHOTOS
from studio.classify_tab.uploads import MAX_UPLOAD, FullError, photos
from studio.server_guard import Refusal, comes_from_own_page

if TYPE_CHECKING:
    from gradio import Blocks
    from gradio.block_function import BlockFunction

MAX_JSON = 64 * 1024
"""Bytes of a request that is no upload: it names files, it does not carry them."""

MAX_WORD = 200
"""Characters of a value that is a word: a network, an expression, a method."""

NAME = r"[A-Za-z0-9_-]{1,64}"
"""How sessions, events and endpoints are called."""

READ = re.compile(
    r"/?|/(config|theme\.css|robots\.txt|manifest\.json|favicon\.ico)/?|/(assets|static|svelte)/.+"
    rf"|/gradio_api/((info|openapi\.json|app_id|startup-events|theme\.css|queue/status)/?"
    rf"|heartbeat/{NAME})"
)
"""Routes that are read and need nothing more than their name."""

QUERIES = ("__theme", "view", "v")
"""What may be asked of them; Gradio knows more (it opens saved states, lists private events)."""

FILE = re.compile(r"/gradio_api/file=(?P<path>.+)")
STREAM = re.compile(rf"/gradio_api/(queue/data|call/(v2/)?{NAME}/(?P<event>{NAME}))")
CALL = re.compile(rf"/gradio_api/call/(?P<named>v2/)?(?P<name>{NAME})/?")
JOIN = re.compile(r"/gradio_api/(queue/join|run/predict)/?")
CANCEL = re.compile(r"/gradio_api/(cancel|reset)/?")
UPLOAD = re.compile(r"/gradio_api/upload/?")
PROGRESS = "/gradio_api/upload_progress"


NO_ROUTE = Refusal(404, "there is nothing here: the tab uses only some of Gradio's routes")
NO_ENDPOINT = Refusal(404, "there is no such endpoint: see the API page")
NO_SESSION = Refusal(404, "nothing waits under that name: a result is kept for a minute")
FOREIGN = Refusal(403, "this is for the studio's own page: call one of the API's endpoints")


class Guard:
    """Answers what it can, passes on what the tab needs, and refuses the rest in a sentence."""

    def __init__(self, app: ASGIApp, blocks: Blocks) -> None:
        self.app, self.blocks = app, blocks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        try:
            if scope["type"] != "http":
                raise NO_ROUTE
            answer = await self._answer(scope, receive)
        except Refusal as no:
            answer = no.answer()
        if isinstance(answer, Response):
            await answer(scope, receive, send)
        else:
            await self.app(scope, answer, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response | Receive:
        """Return the answer to a request, or the `receive` with which it is passed on.

        Raises:
            Refusal: it is neither answered nor passed on.
        """
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["method"] in ("GET", "HEAD"):
            if path == PROGRESS:  # the page knows by itself when an upload has ended
                return Response('data: {"msg": "done"}\n\n', media_type="text/event-stream")
            self._check_reading(path, scope)
            return _again(b"", receive)
        if scope["method"] == "OPTIONS":  # what a browser asks before a call from another page
            return _again(b"", receive)
        if scope["method"] != "POST":
            raise Refusal(405, "only GET and POST are answered here")
        own_page = comes_from_own_page(scope)
        if UPLOAD.fullmatch(path):
            return await _receive_upload(scope, receive)
        if CANCEL.fullmatch(path):
            content = self._cancel(await _json(scope, receive))
        elif match := CALL.fullmatch(path):
            content = self._call(match["name"], bool(match["named"]), await _json(scope, receive))
            scope["path"] = scope["path"].replace("/call/v2/", "/call/")
        elif match := JOIN.fullmatch(path):
            queued = match[1] == "queue/join"
            content = self._join(await _json(scope, receive), own_page is True, queued)
        else:
            raise NO_ROUTE
        body = json.dumps(content).encode()
        scope["headers"] = [
            (name, value) for name, value in scope["headers"] if name not in _REWRITTEN
        ] + [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
        return _again(body, receive)

    def _check_reading(self, path: str, scope: Scope) -> None:
        """See that what is read is there for everybody, or belongs to whoever knows its name."""
        query = parse_qsl(scope["query_string"].decode("latin-1"))
        if file := FILE.fullmatch(path):
            if not photos().contains(file["path"]):
                raise Refusal(403, "no such photo: photos are kept for ten minutes")
        elif stream := STREAM.fullmatch(path):
            self._check_waiting(stream["event"] or dict(query).get("session_hash", ""))
        elif READ.fullmatch(path):
            used = [(key, value) for key, value in query if key in QUERIES]
            scope["query_string"] = urlencode(used).encode()
        else:
            raise NO_ROUTE

    def _check_waiting(self, name: str) -> None:
        """See that a session or an event is known; Gradio would fail half-way into its answer."""
        queue = self.blocks._queue
        known = name in queue.pending_messages_per_session or name in queue.event_ids_to_events
        if not known and not any(name in ids for ids in queue.pending_event_ids_session.values()):
            raise NO_SESSION

    def _call(self, name: str, named: bool, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body of a call of a public endpoint, its values in a list or by name."""
        endpoints = [fn for fn in self.blocks.fns.values() if fn.api_name == name and is_open(fn)]
        if not endpoints:
            raise NO_ENDPOINT
        content: dict[str, Any] = {}
        if "session_hash" in body:
            content["session_hash"] = _name(body, "session_hash")
        if named:
            body = {"data": self._in_order(name, body)}
        return content | {"data": _values(body, endpoints[0])}

    def _in_order(self, name: str, given: dict[str, Any]) -> list[Any]:
        """Return values that are given by name as the list that an endpoint takes."""
        about = self.blocks.get_api_info()["named_endpoints"][f"/{name}"]["parameters"]
        usual = {
            one["parameter_name"]: one["parameter_default"]
            for one in about
            if one["parameter_has_default"]
        }
        names = [one["parameter_name"] for one in about]
        values = usual | {key: value for key, value in given.items() if key != "session_hash"}
        if set(values) != set(names):
            raise Refusal(422, f"{name} takes {', '.join(names)}: see the API page")
        return [values[key] for key in names]

    def _join(self, body: dict[str, Any], own_page: bool, queued: bool) -> dict[str, Any]:
        """Return the body of an event of the page, or of a client that calls by number.

        An event that queues does so: Gradio would also run it at once, beside all others.
        """
        number = body.get("fn_index")
        fn = self.blocks.fns.get(number) if type(number) is int else None
        if fn is None or fn.fn is None or (fn.queue is not False) is not queued:
            raise NO_ENDPOINT
        if not (own_page or is_open(fn)):
            raise FOREIGN
        trigger = body.get("trigger_id")
        return {
            "data": _values(body, fn),
            "fn_index": number,
            "session_hash": _name(body, "session_hash"),
            "trigger_id": trigger if type(trigger) is int else None,
        }

    def _cancel(self, body: dict[str, Any]) -> dict[str, Any]:
        number = body.get("fn_index")
        return {
            "session_hash": _name(body, "session_hash"),
            "fn_index": number if type(number) is int else 0,
            "event_id": _name(body, "event_id"),
        }


_REWRITTEN = (b"content-length", b"content-type", b"transfer-encoding")


def is_open(fn: BlockFunction) -> bool:
    """Return whether an event belongs to the API; the others are the page's own."""
    return fn.api_visibility == "public" and bool(fn.api_name)


async def _receive_upload(scope: Scope, receive: Receive) -> Response:
    size = _length(scope, MAX_UPLOAD)

    async def chunks() -> AsyncGenerator[bytes, None]:
        received, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "the upload ended before its declared length")
            received += len(message.get("body", b""))
            if received > size:
                raise Refusal(413, "the upload is longer than its declared length")
            yield message.get("body", b"")
            more = message.get("more_body", False)

    try:
        photos().check_room(size)
        stored = await photos().receive(Headers(scope=scope), chunks())
    except FullError as error:
        raise Refusal(503, str(error)) from error
    except FerError as error:
        raise Refusal(413 if "more than" in str(error) else 400, str(error)) from error
    except OSError as error:
        raise Refusal(507, "the server has no room for the photo: try again later") from error
    return JSONResponse([str(path) for path in stored])


def _length(scope: Scope, most: int) -> int:
    """Return a request's declared length; the server cuts off what exceeds it."""
    declared = Headers(scope=scope).get("content-length", "")
    if not re.fullmatch(r"[0-9]{1,15}", declared):
        raise Refusal(411, "the request does not tell its length: send Content-Length")
    if int(declared) > most:
        raise Refusal(
            413, f"the request has {int(declared):,} bytes, more than {most:,}: send less"
        )
    return int(declared)


async def _json(scope: Scope, receive: Receive) -> dict[str, Any]:
    """Return the object that a request's body holds."""
    left, parts, more = _length(scope, MAX_JSON), [], True
    while more and left >= 0:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the request ended before its declared length")
        parts.append(message.get("body", b""))
        left -= len(parts[-1])
        more = message.get("more_body", False)
    try:
        content = json.loads(b"".join(parts), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "the request is not JSON that can be read: see the API page") from error
    if not isinstance(content, dict):
        raise Refusal(422, "the request is no JSON object: see the API page")
    return content


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _name(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not re.fullmatch(NAME, value):
        raise Refusal(422, f"the request lacks its {key}: see the API page")
    return value


def _values(body: dict[str, Any], fn: BlockFunction) -> list[Any]:
    """Return the values of an event, as many as it takes, each of the kind that its input takes."""
    values = body.get("data")
    if not isinstance(values, list) or len(values) != len(fn.inputs):
        raise Refusal(422, f"the event takes {len(fn.inputs)} values in 'data': see the API page")
    return [_value(value, block) for block, value in zip(fn.inputs, values, strict=True)]


def _value(value: object, block: Any) -> object:
    """Return what one input component takes; None stands for nothing everywhere but in examples."""
    kind = block.get_block_name()
    if kind == "dataset":
        if type(value) is not int or not 0 <= value < len(block.samples):
            raise Refusal(422, f"there are {len(block.samples)} examples: name one by its number")
        return value
    if value is None:
        return None
    return {"image": _photo, "file": _photos}.get(kind, _scalar)(value)


def _scalar(value: object) -> object:
    """Return a name, a number or a truth value."""
    if isinstance(value, str) and len(value) > MAX_WORD:
        raise Refusal(422, f"a value has {len(value):,} characters: expected a name")
    if isinstance(value, dict | list):
        raise Refusal(422, f"a value is a {type(value).__name__}: expected a name or a number")
    return value


def _photos(value: object) -> list[dict[str, Any]]:
    """Return the photos of a request, each named once."""
    given = value if isinstance(value, list) else [value]
    if len(given) > MAX_PHOTOS:
        raise Refusal(400, f"{len(given)} photos were given: send 1 to {MAX_PHOTOS} at a time")
    photos_given = [_photo(one) for one in given]
    if len({photo["path"] for photo in photos_given}) < len(photos_given):
        raise Refusal(400, "a photo is named twice in one request: name each once")
    return photos_given


def _photo(value: object) -> dict[str, Any]:
    """Return what Gradio may know of an upload, rebuilt; its path must be one of ours."""
    path = value.get("path") if isinstance(value, dict) else None
    if not (isinstance(value, dict) and photos().contains(path)):
        raise Refusal(
            400,
            "a photo is not one that was uploaded here in the last ten minutes: upload it and "
            "name the path that the upload answered",
        )
    name = value.get("orig_name")
    return {
        "path": path,
        "orig_name": clean(name) if isinstance(name, str) else None,
        "meta": {"_type": "gradio.FileData"},
    }


def clean(name: str) -> str:
    """Return a file's name that can be printed and encoded."""
    shown = "".join(letter if letter.isprintable() else "_" for letter in name[:MAX_WORD])
    return shown.encode("utf-8", "replace").decode()


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body that was read already, then waits for the end."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
