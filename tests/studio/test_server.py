"""One port: who answers which path, and when heavy imports happen."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from studio.server import LazyGradio, Split, Warmer, end_visits


class Answer:
    """An ASGI app that notes the paths it was asked for."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope.get("path", ""))


@pytest.mark.parametrize(
    ("kind", "path", "to_gradio"),
    [
        ("http", "/gradio", True),
        ("http", "/gradio/", True),
        ("http", "/gradio/assets/x.js", True),
        ("http", "/gradiometer", False),
        ("http", "/classify", False),
        ("websocket", "/gradio/x", False),
    ],
)
def test_only_gradios_own_paths_reach_gradio(kind: str, path: str, to_gradio: bool) -> None:
    rest, gradio = Answer(), Answer()
    split = Split(rest, gradio, Warmer(names=(), after=60))
    asyncio.run(split({"type": kind, "path": path}, None, None))  # type: ignore[arg-type]
    assert (gradio.paths == [path]) is to_gradio
    assert (rest.paths == [path]) is not to_gradio
    if split.warmer.timer:
        split.warmer.timer.cancel()


def test_nothing_is_warmed_before_somebody_comes_and_then_once() -> None:
    warmer = Warmer(names=("colorsys",), after=60)
    assert warmer.timer is None
    warmer.visited()
    first = warmer.timer
    warmer.visited()
    assert first is not None
    assert warmer.timer is first
    first.cancel()


def test_gradio_is_built_once_for_many_requests() -> None:
    from fastapi import FastAPI

    built: list[FastAPI] = []

    class Counting(LazyGradio):
        def build(self) -> FastAPI:
            built.append(FastAPI())
            return built[-1]

    async def ask() -> list[int]:
        gradio, codes = Counting(), []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                codes.append(message["status"])

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
        async with gradio.stack:
            await asyncio.gather(*(gradio(dict(scope), receive, send) for _ in range(5)))
        return codes

    assert asyncio.run(ask()) == [404] * 5
    assert len(built) == 1


class Visit:
    """What Streamlit keeps of one visit."""

    def __init__(self, name: str) -> None:
        self.id, self.session_state, self.ended = name, {"network": "large"}, False

    def shutdown(self) -> None:
        self.ended = True


def test_a_visit_that_ended_is_emptied_whether_or_not_python_collects_it() -> None:
    """`gc.freeze` hides visits that were there when a library was loaded from the collector."""
    stays, goes = Visit("stays"), Visit("goes")
    uploads = MemoryUploadedFileManager("/upload")
    for name in ("stays", "goes", "unseen"):
        uploads.add_file(name, UploadedFileRec("1", "a", "b", b"x" * 100))

    class Sessions:
        def list_sessions(self) -> list[Any]:
            return [SimpleNamespace(session=stays)]

    known: Any = {"stays": stays, "goes": goes}
    left = end_visits(Sessions(), uploads, known)  # type: ignore[arg-type]
    assert left == {"stays": stays}
    assert goes.ended and goes.session_state == {}
    assert not stays.ended and stays.session_state == {"network": "large"}
    assert list(uploads.file_storage) == ["stays"]
