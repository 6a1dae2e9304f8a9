"""The Classify tab under fire, in this process: 4xx in a sentence, and it goes on serving."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from fermodels.nets import catalog, checkpoint
from studio.classify_tab.security import MAX_JSON
from studio.classify_tab.uploads import MAX_UPLOAD
from tests.hostile.pictures import BAD, encode
from tests.toys import ROOT, tiny_net

HERE = "/gradio/gradio_api"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The studio's own server, its Streamlit half left out."""
    from studio.server import LazyGradio, Split, Warmer

    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("meant for Streamlit")

    none = pd.DataFrame({"step": [1]})
    folder = tmp_path_factory.mktemp("checkpoints")
    checkpoint.save(
        folder / "deep", tiny_net(), {"variant": "deep", "recipe": "toy"}, {},
        catalog.History(none, none), none, "card",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_CHECKPOINTS", str(folder))
        patch.delenv("GRADIO_TEMP_DIR", raising=False)
        yield Split(nothing, LazyGradio(), Warmer(names=(), after=3600))


def visit(app: Any, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
    """Send requests, 50 at a time at most, and return the answers in order."""

    async def all_of_them() -> list[httpx.Response]:
        gate = asyncio.Semaphore(50)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://t", timeout=120) as me:

            async def one(method: str, path: str, more: dict[str, Any]) -> httpx.Response:
                async with gate:
                    return await me.request(method, path, **more)

            return await asyncio.gather(*(one(*request) for request in requests))

    return asyncio.run(all_of_them())


def upload(name: str, content: bytes) -> tuple[str, str, dict[str, Any]]:
    return "POST", f"{HERE}/upload", {"files": {"files": (name, content)}}


def serves(app: Any) -> bool:
    return visit(app, ("GET", "/gradio/config", {}))[0].status_code == 200


OVERSIZED = {"content": b"x", "headers": {"content-length": str(MAX_UPLOAD + 1)}}
DEEP = b"[" * 60_000
CALL = f"{HERE}/call/classify"
FILE = {"meta": {"_type": "gradio.FileData"}}
REFUSED: dict[str, tuple[int, tuple[str, str, dict[str, Any]]]] = {
    "upload too large": (413, ("POST", f"{HERE}/upload", OVERSIZED)),
    "JSON too large": (413, ("POST", CALL, {"content": bytes(MAX_JSON + 1)})),
    "no length": (411, ("POST", CALL, {"headers": {"transfer-encoding": "chunked"},
                                       "content": iter([b"{}"])})),
    "JSON too deep": (400, ("POST", CALL, {"content": DEEP})),
    "no JSON": (400, ("POST", CALL, {"content": b"\xff{"})),
    "a file's address": (400, ("POST", CALL, {"json": {"data": [{"path": "http://127.0.0.1/x",
                                                                 **FILE}, "all", True]}})),
    "an address deep inside": (422, ("POST", CALL, {"json": {"data": [None, [[{"a": {
        "path": " HTTPS://example.org/x"}}]], True]}})),
    "an address to fetch": (403, ("GET", f"{HERE}/file=https://example.org/x", {})),
    "a proxy": (404, ("GET", f"{HERE}/proxy=https://example.org/x", {})),
    "a recording": (404, ("POST", f"{HERE}/process_recording", {"json": {}})),
    "run history": (404, ("GET", f"{HERE}/run-history/records", {})),
    "monitoring": (404, ("GET", "/gradio/monitoring", {})),
    "a server's file": (403, ("GET", f"{HERE}/file=/etc/hostname", {})),
    "a file by dots": (403, ("GET", f"{HERE}/file=..%2f..%2f..%2f..%2fetc%2fhostname", {})),
    "our source": (403, ("GET", f"{HERE}/file={ROOT}/LICENSE", {})),
    "no such page": (404, ("GET", "/gradio/nothing", {})),
    "no such endpoint": (404, ("POST", f"{HERE}/call/none", {"json": {"data": []}})),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_meant_is_refused_with_its_own_code(app: Any, name: str) -> None:
    status, (method, path, more) = REFUSED[name]
    if not isinstance(more.get("content", b""), bytes):

        async def chunks() -> AsyncIterator[bytes]:
            yield b"{}"

        more = {**more, "content": chunks()}
    (answer,) = visit(app, (method, path, more))
    assert answer.status_code == status, answer.text[:200]
    assert len(answer.text) < 400
    assert serves(app)


@pytest.mark.parametrize("name", ["../../evil.jpg", "/etc/evil.jpg", "..\\evil.jpg", "a\0b.jpg",
                                  "x" * 5000 + ".jpg", ".", "=cmd()|x.jpg", ""])  # fmt: skip
def test_an_uploads_name_never_leaves_the_private_folder(
    app: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert serves(app)
    private = Path(os.environ["GRADIO_TEMP_DIR"])
    before = set(Path(tempfile.gettempdir()).iterdir()) | set(private.parent.iterdir())
    monkeypatch.chdir(tmp_path)
    (answer,) = visit(app, upload(name, encode("PNG")))
    if answer.status_code == 200:
        stored = Path(answer.json()[0]).resolve()
        assert stored.is_relative_to(private.resolve())
    else:
        assert 400 <= answer.status_code < 500
    after = set(Path(tempfile.gettempdir()).iterdir()) | set(private.parent.iterdir())
    fresh = {p.name for p in after - before if not p.name.startswith("pytest-")}
    assert not {n for n in fresh if "evil" in n or n.endswith((".jpg", ".png"))}
    assert list(tmp_path.iterdir()) == []


def test_a_thousand_quick_requests_are_answered_and_the_server_goes_on(app: Any) -> None:
    junk = [
        ("GET", "/gradio/config", {}),
        ("POST", CALL, {"content": b"{}"}),
        ("POST", CALL, {"content": b"[1,2"}),
        ("POST", CALL, {"json": {"data": "x"}}),
        ("POST", f"{HERE}/queue/join", {"json": {"fn_index": 10**9, "data": []}}),
        ("POST", f"{HERE}/queue/join", {"json": {"fn_index": "x"}}),
        ("GET", f"{HERE}/file=/etc/passwd", {}),
        ("GET", "/gradio/" + "a" * 5000, {}),
        ("DELETE", "/gradio/", {}),
        upload("x.png", BAD["png bomb"]),
    ]
    answers = visit(app, *(junk * 100))
    assert len(answers) == 1000
    failed = [a for a in answers if a.status_code >= 500]
    assert failed == [], failed[0].text[:300]
    assert serves(app)
