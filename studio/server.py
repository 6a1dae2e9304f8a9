"""One port: Streamlit everywhere, Gradio under ``/gradio``, imported at its first request."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import sys
import threading
import time
from collections.abc import AsyncIterator
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import net_util

from fermodels.memory import return_freed_memory
from studio.server_guard import secured, upload_sizes

if TYPE_CHECKING:
    from fastapi import FastAPI
    from streamlit.runtime.app_session import AppSession
    from streamlit.runtime.session_manager import SessionManager
    from streamlit.runtime.uploaded_file_manager import UploadedFileManager

HEAVY = ("torch", "captum.attr")
WARM_AFTER = 4.0  # seconds; importing these while Home first paints costs it 0.9 s (measured)


class LazyGradio:
    """The Gradio tab as an ASGI app that is built when somebody first asks for it."""

    def __init__(self) -> None:
        self.host: FastAPI | None = None
        self.lock = asyncio.Lock()
        self.stack = contextlib.AsyncExitStack()

    def build(self) -> FastAPI:
        """Import Gradio (about 3 s of CPU) and mount the tab."""
        import gradio as gr
        from fastapi import FastAPI

        from studio.classify_tab.app import build_demo, mount_options

        host = FastAPI()
        demo = build_demo()
        gr.mount_gradio_app(host, demo, path="/gradio", **mount_options(demo))
        return host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, building the tab first if need be."""
        async with self.lock:
            if self.host is None:
                host = await asyncio.to_thread(self.build)
                await self.stack.enter_async_context(host.router.lifespan_context(host))
                self.host = host
        await self.host(scope, receive, send)


class Warmer:
    """Imports what the other rooms need, once, some seconds after the first visitor came."""

    def __init__(self, names: tuple[str, ...] = HEAVY, after: float = WARM_AFTER) -> None:
        self.names, self.after = names, after
        self.timer: threading.Timer | None = None

    def visited(self) -> None:
        """Note a visit; the first one starts the clock."""
        if self.timer is None:
            self.timer = threading.Timer(self.after, self._warm)
            self.timer.daemon = True
            self.timer.start()

    def _warm(self) -> None:
        for name in self.names:
            importlib.import_module(name)
        spare_libraries()


class Split:
    """Sends ``/gradio`` one way and everything else the other; runs before Streamlit's own."""

    def __init__(self, app: ASGIApp, gradio: ASGIApp, warmer: Warmer) -> None:
        self.app, self.gradio, self.warmer = app, gradio, warmer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        path = scope.get("path", "")
        if scope["type"] == "websocket":
            self.warmer.visited()
        mine = scope["type"] == "http" and (path == "/gradio" or path.startswith("/gradio/"))
        await (self.gradio if mine else self.app)(scope, receive, send)


def app_options() -> dict[str, Any]:
    """Return what `st.App` needs besides the script: lifespan and middleware."""
    gradio = LazyGradio()
    # Streamlit would ask an outside server for this machine's address, and wait for it, to compare
    # it with the origin of a page that is not its own; such pages are refused anyhow.
    net_util._external_ip = "127.0.0.1"

    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        task = asyncio.create_task(let_visits_end())
        try:
            async with gradio.stack:
                yield
        finally:
            task.cancel()

    middleware = [*secured(), Middleware(Split, gradio=gradio, warmer=Warmer())]
    return {"lifespan": lifespan, "middleware": middleware}


async def let_visits_end(every: float = 30.0) -> None:
    """See to it that a visit that is over for two minutes goes with all that it held.

    Streamlit looks for such visits only when the next one begins, and leaves the rest to Python's
    garbage collector, which does not look at what was there when libraries were loaded
    (`studio.server`). What was freed goes back to the system.
    """
    from streamlit import runtime

    known: dict[str, AppSession] = {}
    while True:
        await asyncio.sleep(every)
        if runtime.exists():
            now = runtime.Runtime.instance()
            known = end_visits(now._session_mgr, now.uploaded_file_mgr, known)
            convolution = sys.modules.get("fermodels.xai.fast_forward.convolution")
            if (
                convolution is not None and not known
            ):  # nobody is there: what is quickly made again goes
                convolution.forget()
        return_freed_memory()


def end_visits(
    sessions: SessionManager, uploads: UploadedFileManager, known: dict[str, AppSession]
) -> dict[str, AppSession]:
    """Empty the visits that have ended since the look before, and return those that go on.

    Args:
        sessions: Streamlit's; those that ended are no longer in its list.
        uploads: Streamlit's.
        known: the visits that went on at the look before, by id.
    """
    current = {info.session.id: info.session for info in sessions.list_sessions()}
    for name in known.keys() - current.keys():
        known[name].shutdown()
        known[name].session_state.clear()
    for name in (
        upload_sizes(uploads).keys() - current.keys()
    ):  # of one that came and went meanwhile
        uploads.remove_session_files(name)
    return current


# --- After every run of a room: the garbage collector spares libraries, freed memory goes back


PAUSE = 5.0
"""Seconds from one return of memory to the next: it takes milliseconds, clicks come more often."""

_returned = time.monotonic()


def spare_libraries() -> None:
    """Put what is in memory out of the collector's sight, whenever libraries were loaded.

    Streamlit collects garbage after each run of a script, before the browser hears that it has
    ended. With torch, captum and plotly loaded that walks through a million objects that never
    are garbage: 0.2 s of every click (measured). What a visit leaves behind is collected as before.
    """
    _freeze(len(sys.modules))


@cache
def _freeze(loaded: int) -> None:
    """Collect and freeze, once for each number of loaded modules."""
    gc.collect()
    gc.freeze()


def return_memory() -> None:
    """Give back what the runs of the last seconds freed.

    Every run has a thread of its own, and glibc a heap for each of several threads: what an
    explanation freed in one would stay there while the next asks for as much in another.
    """
    global _returned
    if time.monotonic() - _returned > PAUSE:
        _returned = time.monotonic()
        return_freed_memory()
