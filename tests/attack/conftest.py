"""The studio as it is served, in three ways, with secrets beside it that no answer may hold."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.toys import ROOT

WAYS = ("public", "private", "alone")
"""A public studio, one's own, and the Classify tab by itself."""


@dataclass
class Served:
    """One server."""

    way: str
    root: str
    """Its address."""
    log: Path
    process: subprocess.Popen[bytes]
    secret: str
    """In a file, in a picture's name and in the server's environment."""
    secret_file: Path
    secret_picture: Path
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60))

    @property
    def gradio(self) -> str:
        """Where the Classify tab is."""
        return self.root + ("" if self.way == "alone" else "/gradio")

    @property
    def api(self) -> str:
        return f"{self.gradio}/gradio_api"

    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"{self.gradio}/config").json()
        return found

    def upload(self, content: bytes, name: str = "a.jpg") -> httpx.Response:
        return self.client.post(f"{self.api}/upload", files={"files": (name, content)})

    def lives(self) -> bool:
        """Answer within two seconds."""
        start = time.monotonic()
        answer = self.client.get(f"{self.gradio}/theme.css", timeout=10)
        return answer.status_code == 200 and time.monotonic() - start < 2


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def start(way: str, folder: Path, checkpoints: Path) -> Served:
    """Start one server; it answers some seconds later."""
    place = folder / way
    place.mkdir()
    port, secret = free_port(), secrets.token_hex(16)
    if way == "alone":
        command = ["-m", "studio.classify_tab.app"]
    else:
        command = ["-m", "streamlit", "run", "studio/Home.py", "--server.headless", "true",
                   "--server.port", str(port)]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k not in ("FER2013_DIR", "COVERAGE")} | {
        "GRADIO_SERVER_PORT": str(port), "OMP_NUM_THREADS": "1", "SECRET_TOKEN": secret,
        "FER_CHECKPOINTS": str(checkpoints), "FER_STUDIO_PUBLIC": "1" if way == "public" else "0",
    }  # fmt: skip
    secret_file, picture = place / "secret.txt", place / "secret.png"
    secret_file.write_text(secret)
    picture.write_bytes(PNG)
    log = place / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment, stdout=stream, stderr=stream
        )
    root = f"http://127.0.0.1:{port}"
    return Served(way, root, log, process, secret, secret_file, picture)


def wait_for(served: Served) -> Served:
    for _ in range(600):
        assert served.process.poll() is None, served.log.read_text()
        try:
            httpx.get(f"{served.gradio}/theme.css", timeout=30)
            return served
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"{served.way} did not answer: {served.log.read_text()}")


def stop(served: Served) -> None:
    served.process.terminate()
    try:
        served.process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        served.process.kill()
        raise


@pytest.fixture(scope="session")
def toy_networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two untrained networks, bundled for every server here."""
    import pandas as pd

    from fermodels.nets import catalog, checkpoint
    from tests.toys import tiny_net

    folder, none = tmp_path_factory.mktemp("checkpoints"), pd.DataFrame({"step": [1]})
    for seed, name in enumerate(("shallow", "deep")):
        metrics = json.loads((ROOT / "checkpoints" / name / "metrics.json").read_text())
        checkpoint.save(
            folder / name, tiny_net(seed), {"variant": name, "recipe": "toy"}, metrics,
            catalog.History(none, none), none, "card",
        )  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def servers(
    tmp_path_factory: pytest.TempPathFactory, toy_networks: Path
) -> Iterator[dict[str, Served]]:
    """All three, started together; none may have failed in silence."""
    folder = tmp_path_factory.mktemp("attack")
    started = {way: start(way, folder, toy_networks) for way in WAYS}
    try:
        yield {way: wait_for(served) for way, served in started.items()}
        logs = {way: served.log.read_text() for way, served in started.items()}
    finally:
        for served in started.values():
            stop(served)
    for way, log in logs.items():
        assert "Traceback" not in log, f"{way}:\n{log[-3000:]}"


@pytest.fixture(params=WAYS)
def served(request: pytest.FixtureRequest, servers: dict[str, Served]) -> Served:
    return servers[request.param]


def _png() -> bytes:
    import io

    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


PNG = _png()
