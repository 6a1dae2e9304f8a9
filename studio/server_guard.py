"""What stands before both servers: which names they answer to, how long a request may take, what a
page may load, and how much Streamlit's uploads may hold.

`secured` puts it in front of an ASGI app, the whole studio or the Classify tab alone.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartParser
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from studio import public

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFileManager

HOSTS = "FER_STUDIO_HOSTS"
"""Variable with the names that the studio answers to besides this machine's own, commas between."""

HEAD_SECONDS = 20.0
"""Time to send a request's first line and headers."""

SILENT_SECONDS = 20.0
"""Longest pause within a body."""

SLOWEST = 32 * 1024
"""Bytes a second that a body must come at, in each SILENT_SECONDS of it."""

MAX_BODY = 101 * 1024 * 1024
"""Bytes of any body: 100 MB of photos, or of a network's weights, and the form around them."""

MAX_NAME = 255
"""Bytes of one part of an address; file systems take no more, and fail."""

MAX_MESSAGE, MAX_MESSAGE_PUBLIC = 4 * 1024 * 1024, 1024 * 1024
"""Bytes of a WebSocket message: what a visitor chose in a room. A lasso round thousands of faces is
the largest; a public studio shows the sample faces only."""

MAX_VISITS = 200
"""WebSockets open at a time: pages in a room."""

MAX_WIDGETS = 1_000
"""Widgets whose state one message may tell."""

MESSAGES = ("rerun_script", "stop_script", "app_heartbeat", "file_urls_request",
            "backend_operation_request")  # fmt: skip
OPERATIONS = ("deferred_file", "dataframe_chunk", None)
"""What a page may ask, and which operations of the server. Streamlit knows more: clearing
everybody's caches, reading git's state, writing files for coding agents into the project."""

SESSION_FILES, SESSION_BYTES = 20, 250_000_000
"""What the uploads of one visit to the rooms may come to."""

ALL_BYTES = 400_000_000
"""What the uploads of all visits to the rooms may come to."""

UPLOAD = re.compile(r".*/_stcore/upload_file/(?P<session>[^/]+)/[^/]+")

POLICY = "; ".join(
    (
        "default-src 'self'",
        # Streamlit and Gradio begin with inline scripts, and plotly compiles some of its own
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "worker-src 'self' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "frame-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)
"""Content security policy: a page loads nothing from, and sends no form to, another host. Any site
may frame a public studio, as a Space does; one's own only itself."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def secured() -> list[Middleware]:
    """Return the middleware for a server, first to last, and prepare the process for serving.

    For the whole process Starlette then keeps uploads in memory instead of moving those over 1 MB
    to a file, and uvicorn closes connections on which no request comes (`make_prompt`).
    """
    MultiPartParser.spool_max_size = MAX_BODY
    make_prompt(AutoHTTPProtocol)
    return [Middleware(SafeHeaders), Middleware(KnownHost), Middleware(BoundedBody)]


@dataclass(frozen=True)
class Refusal(Exception):  # noqa: N818  (it is an answer, not a fault)
    """Why a request is not served."""

    status: int
    sentence: str

    def answer(self) -> Response:
        """Return it as an answer after which the connection is closed: a body may be unread."""
        return PlainTextResponse(self.sentence, self.status, {"Connection": "close"})


def make_prompt(protocol: Any) -> None:
    """Change uvicorn's HTTP protocol class for this process; a second call changes nothing.

    A connection is closed on which the first line and headers of a request do not come within
    HEAD_SECONDS. And small answers are sent at once: asyncio asks for that (TCP_NODELAY) only on
    sockets made with TCP's number, which Streamlit's is not, so that each answer waited 40 ms.
    uvicorn has neither setting, and Streamlit chooses uvicorn's class before it imports us.
    """
    if hasattr(protocol, "head_due"):
        return
    made, lost, received = (
        protocol.connection_made, protocol.connection_lost, protocol.data_received
    )  # fmt: skip

    def wait_for_head(self: Any) -> None:
        self.head_due = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def stop_waiting(self: Any) -> None:
        if self.head_due is not None:
            self.head_due.cancel()
            self.head_due = None

    def close_unless_open(websocket: Any, transport: Any) -> None:
        if not websocket.handshake_complete:  # its headers were too many or too long to be parsed
            transport.close()

    def connection_made(self: Any, transport: Any) -> None:
        made(self, transport)
        # what Streamlit's own messages may be, far more, is this too
        self.config.ws_max_size = message_limit()
        line = transport.get_extra_info("socket")
        if line is not None and line.family in (socket.AF_INET, socket.AF_INET6):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wait_for_head(self)

    def connection_lost(self: Any, exc: Exception | None) -> None:
        stop_waiting(self)
        lost(self, exc)

    def data_received(self: Any, data: bytes) -> None:
        received(self, data)
        successor = self.transport.get_protocol()
        if successor is not self:  # it became a WebSocket, which has as long for its handshake
            stop_waiting(self)
            self.loop.call_later(HEAD_SECONDS, close_unless_open, successor, self.transport)
        elif self.cycle is not None and not self.cycle.response_complete:
            stop_waiting(self)
        elif self.head_due is None:  # half of a next request
            wait_for_head(self)

    protocol.head_due = None
    protocol.connection_made = connection_made
    protocol.connection_lost = connection_lost
    protocol.data_received = data_received


FOREIGN = Refusal(403, "a page of another site asked: only the studio's own may")


class SafeHeaders:
    """Adds `HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if not public.is_public():  # a frame that nobody sees would act for its owner
                    headers["Content-Security-Policy"] += "; frame-ancestors 'self'"
            await send(message)

        await self.app(scope, receive, with_headers)


class KnownHost:
    """Answers only where the request names a host that this server goes by.

    A web page can point a name of its own at 127.0.0.1 (DNS rebinding); the browser then takes the
    studio for a part of that page, but still says the page's name in ``Host``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        if scope["type"] in ("http", "websocket"):
            hosts = Headers(scope=scope).getlist("host")
            if len(hosts) != 1 or not is_known(hosts[0]):
                await self._refuse(scope, receive, send)
                return
            foreign = comes_from_own_page(scope) is False
            # other sites may ask a public studio's API, but open no room of it
            if foreign and (scope["type"] == "websocket" or not public.is_public()):
                await self._refuse(scope, receive, send, FOREIGN)
                return
        if scope["type"] == "websocket":
            _as_own_origin(scope)
        await self.app(scope, receive, send)

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, no: Refusal | None = None
    ) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        unknown = Refusal(
            421, f"the studio does not go by that name: see {HOSTS} in docs/deploy.md"
        )
        await (no or unknown).answer()(scope, receive, send)


def comes_from_own_page(scope: Scope) -> bool | None:
    """Return whether a browser says that the studio's own page asks; None where none says so.

    A browser states a page's origin with every POST and WebSocket, and no page can make it lie; a
    program can.
    """
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None:
        return None
    asking = origin.rpartition("://")[2]
    own = {headers.get("host")}
    if public.is_public():  # behind a proxy; elsewhere a page could state this header itself
        own.add(headers.get("x-forwarded-host"))
    return asking in own or asking.partition(":")[0] in named_hosts()


def _as_own_origin(scope: Scope) -> None:
    """State an origin that was found to be ours as Streamlit knows it, by ``Host``.

    To others it would compare this machine's public address, and ask another server for that.
    """
    headers = MutableHeaders(scope=scope)
    if "origin" in headers:
        headers["origin"] = f"{scope['scheme'].replace('ws', 'http')}://{headers['host']}"


def named_hosts() -> set[str]:
    """Return the names in `HOSTS`."""
    return {one.strip().lower() for one in os.environ.get(HOSTS, "").split(",")} - {""}


def is_known(host: str) -> bool:
    """Return whether a ``Host`` header names this server.

    It does if it is an IP address, localhost, this machine's name or one of `HOSTS`; in a public
    studio without `HOSTS` any name does, since its address is not known to it.
    """
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", host)
    if match is None:
        return False
    name = match[1].strip("[]").rstrip(".").lower()
    named = named_hosts()
    if public.is_public() and not named:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        own = {"localhost", socket.gethostname().lower()} | named
        return name in own or name.endswith(".localhost")
    return True


class BoundedBody:
    """Ends a request whose body is too long or comes too slowly, and uploads past their share."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.arriving: Counter[str] = Counter()
        """Bytes received of uploads that have not ended, by visit to the rooms."""
        self.visits = 0
        """WebSockets that are open."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            if self.visits >= MAX_VISITS:
                await send({"type": "websocket.close", "code": 1013})
                return
            self.visits += 1
            try:
                await self.app(scope, _fit_messages(receive), _while_open(send))
            finally:
                self.visits -= 1
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        inside = public.is_public() and scope["path"].endswith("/_stcore/metrics")
        if inside or max(map(len, scope["path"].encode("utf-8", "replace").split(b"/"))) > MAX_NAME:
            await Refusal(404, "there is no such page").answer()(scope, receive, send)
            return
        upload = UPLOAD.fullmatch(scope["path"]) if scope["method"] in ("PUT", "POST") else None
        if upload is None:
            await self._bounded(scope, receive, send, "")
            return
        session = upload["session"]
        try:
            self._check_share(session, _length(Headers(scope=scope)))
        except Refusal as no:
            await no.answer()(scope, receive, send)
            return
        await self._bounded(scope, receive, send, session)

    def _check_share(self, session: str, size: int) -> None:
        """See that a visit, and all visits together, may hold `size` bytes more.

        Raises:
            Refusal: they may not.
        """
        from streamlit import runtime

        files: dict[str, list[int]] = {}
        if runtime.exists():
            files = upload_sizes(runtime.Runtime.instance().uploaded_file_mgr)
        own = files.get(session, [])
        if len(own) >= SESSION_FILES or (sum(own) + self.arriving[session] + size > SESSION_BYTES):
            raise Refusal(
                413, "this visit holds as many uploads as it may: remove some, or reload the page"
            )
        if sum(map(sum, files.values())) + self.arriving.total() + size > ALL_BYTES:
            raise Refusal(
                503, "visitors hold as many uploads as they may: try again in some minutes"
            )

    async def _bounded(self, scope: Scope, receive: Receive, send: Send, session: str) -> None:
        """Pass a request on while its body comes; `session` is the visit that uploads, if any."""
        received, more, answered = 0, True, False
        waited, lately = 0.0, 0  # seconds of waiting for the sender, and bytes that came in them
        ended: Refusal | None = None

        async def next_part() -> Message:
            nonlocal received, more, waited, lately
            begun = asyncio.get_running_loop().time()
            try:
                message = await asyncio.wait_for(receive(), SILENT_SECONDS)
            except TimeoutError as error:
                raise Refusal(408, "the request stopped half-way: send it again") from error
            size = len(message.get("body", b""))
            more = bool(message.get("more_body", False))
            received, lately = received + size, lately + size
            waited += asyncio.get_running_loop().time() - begun
            if received > MAX_BODY:
                raise Refusal(413, f"the request has more than {MAX_BODY:,} bytes: send less")
            if more and waited > SILENT_SECONDS:
                if lately < SILENT_SECONDS * SLOWEST:
                    raise Refusal(408, "the request comes too slowly: use a faster line")
                waited, lately = 0.0, 0
            if session:
                self.arriving[session] += size
                self._check_share(session, 0)
            return message

        async def bounded() -> Message:
            nonlocal ended
            if not more:  # nothing is waited for but the visitor's leaving
                return await receive()
            try:
                return await next_part()
            except Refusal as no:
                ended = no
                return {"type": "http.disconnect"}

        async def watched(message: Message) -> None:
            nonlocal answered
            if ended is None:
                answered = answered or message["type"] == "http.response.start"
                await send(message)

        try:
            await self.app(scope, bounded, watched)
        except Exception:
            if ended is None:
                raise
        finally:
            if session:
                self.arriving[session] -= received
                self.arriving += Counter()  # forgets the visits with nothing left
        if ended is not None and not answered:
            await ended.answer()(scope, receive, send)


def _fit_messages(receive: Receive) -> Receive:
    """Return a `receive` that ends a WebSocket on which no message of a page of ours comes."""

    async def fit() -> Message:
        message = await receive()
        if message["type"] == "websocket.receive" and not is_fit(message.get("bytes")):
            return {"type": "websocket.disconnect", "code": 1009}
        return message

    return fit


def _while_open(send: Send) -> Send:
    """Return a `send` that fails as on a lost line once uvicorn has closed the WebSocket."""

    async def quiet(message: Message) -> None:
        try:
            await send(message)
        except RuntimeError as error:
            if "websocket.close" not in str(error):
                raise
            raise OSError("the WebSocket was closed") from error

    return quiet


def message_limit() -> int:
    """Return how many bytes a WebSocket message may have."""
    return MAX_MESSAGE_PUBLIC if public.is_public() else MAX_MESSAGE


def is_fit(content: bytes | None) -> bool:
    """Return whether a message to a room is one that our pages send, of a bearable size.

    Streamlit makes an address for each file announced, and looks at each widget: a message of
    4 MB could announce two million.
    """
    from google.protobuf.message import DecodeError
    from streamlit.proto.BackMsg_pb2 import BackMsg

    if content is None or len(content) > message_limit():
        return False
    try:
        message = BackMsg.FromString(content)
    except DecodeError:
        return False
    return (
        message.WhichOneof("type") in MESSAGES
        and message.backend_operation_request.WhichOneof("payload") in OPERATIONS
        and len(message.file_urls_request.file_names) <= SESSION_FILES
        and len(message.rerun_script.widget_states.widgets) <= MAX_WIDGETS
        and len(message.rerun_script.cached_message_hashes) <= MAX_WIDGETS
    )


def _length(headers: Headers) -> int:
    declared = headers.get("content-length", "")
    if not re.fullmatch(r"[0-9]{1,15}", declared):
        raise Refusal(411, "the request does not tell its length: send Content-Length")
    if int(declared) > MAX_BODY:
        raise Refusal(413, f"the request has {int(declared):,} bytes, more than {MAX_BODY:,}")
    return int(declared)


def upload_sizes(manager: UploadedFileManager) -> dict[str, list[int]]:
    """Return the bytes of each upload that Streamlit holds, by session."""
    storage: dict[str, dict[str, Any]] = manager.file_storage  # type: ignore[attr-defined]
    return {
        session: [len(file.data) for file in list(files.values())]
        for session, files in list(storage.items())
    }
