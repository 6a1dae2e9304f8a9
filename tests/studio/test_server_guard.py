"""Before both servers: which names are known, and how slowly a request may come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from studio import public, server_guard
from studio.server_guard import HOSTS, BoundedBody, is_known


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost", True), ("localhost:8501", True), ("127.0.0.1:1", True), ("[::1]:80", True),
        ("10.0.0.7", True), ("fer.localhost", True), ("localhost.", True),
        ("evil.example", False), ("localhost.evil.example", False), ("127.0.0.1.nip.io", False),
        ("evil.example:8501", False), ("", False), ("a b", False), ("localhost:x", False),
        ("user@localhost", False), ("[::1", False), ("evil.example\r\nlocalhost", False),
    ],
)  # fmt: skip
def test_ones_own_studio_goes_by_its_own_names(
    host: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(HOSTS, raising=False)
    monkeypatch.setenv(public.VARIABLE, "0")
    assert is_known(host) is known


def test_names_can_be_added_and_then_bind_a_public_studio_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(public.VARIABLE, "1")
    monkeypatch.delenv(HOSTS, raising=False)
    assert is_known("you-fer.hf.space")
    monkeypatch.setenv(HOSTS, "you-fer.hf.space, Lab.example")
    assert is_known("you-fer.hf.space") and is_known("lab.EXAMPLE:443")
    assert not is_known("evil.example")


def serve(*chunks: tuple[float, bytes], path: str = "/x") -> tuple[int, str, int]:
    """Send chunks after pauses to a server that reads all; return status, text and bytes read."""
    sent: list[Any] = []
    read = 0

    async def reader(scope: Any, receive: Any, send: Any) -> None:
        nonlocal read
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RuntimeError("the visitor is gone")
            read += len(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"all"})

    waiting = list(chunks)

    async def receive() -> Any:
        if not waiting:
            await asyncio.sleep(60)
        pause, body = waiting.pop(0)
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": body, "more_body": bool(waiting) or body != b"."}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
    asyncio.run(BoundedBody(reader)(scope, receive, send))
    return sent[0]["status"], sent[1]["body"].decode(), read


def test_a_body_that_comes_is_passed_on_whole() -> None:
    assert serve((0, b"abc"), (0.01, b"de"), (0, b".")) == (200, "all", 6)


def test_a_body_that_stops_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_guard, "SILENT_SECONDS", 0.05)
    status, says, read = serve((0, b"abc"))
    assert (status, read) == (408, 3)
    assert "send it again" in says


def test_a_body_that_trickles_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_guard, "SILENT_SECONDS", 0.05)
    status, says, read = serve(*[(0.02, b"x")] * 20)
    assert status == 408 and read < 20
    assert "slowly" in says


def test_a_burst_buys_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_guard, "SILENT_SECONDS", 0.05)
    monkeypatch.setattr(server_guard, "SLOWEST", 1000)
    status, says, read = serve((0, bytes(100_000)), *[(0.02, b"x")] * 20)
    assert status == 408 and read < 100_015
    assert "slowly" in says


def test_what_an_upload_holds_is_what_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what it announced: four requests without a body would take everybody's place."""
    guard = BoundedBody(None)  # type: ignore[arg-type]
    guard._check_share("a", server_guard.SESSION_BYTES)
    guard.arriving["a"] = server_guard.SESSION_BYTES
    with pytest.raises(server_guard.Refusal):
        guard._check_share("a", 1)
    guard._check_share("b", 1)


def test_a_body_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_guard, "MAX_BODY", 100)
    status, says, read = serve(*[(0, b"x" * 30)] * 20)
    assert (status, read) == (413, 90)
    assert "more than 100" in says


def test_a_fault_of_the_app_is_not_taken_for_the_visitors() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("broken")

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(BoundedBody(broken)(scope, None, None))  # type: ignore[arg-type]
