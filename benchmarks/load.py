"""How many photos a minute the API answers, and how soon: ``python -m benchmarks.load``.

Starts ``python -m studio.classify_tab.app`` on this machine, lets N clients each upload a
photo and ask ``/classify`` over and over for two minutes, and prints the rate, the median and 99th
percentile of the time from upload to answer, and what went wrong. Loopback only; it ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from fermodels.data.samples import sample_faces, sample_photos

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 180
ANSWER_SECONDS = 60
MOST_SECONDS, MOST_CLIENTS = 600, 256


@dataclass
class Tally:
    """What the clients saw."""

    seconds: list[float] = field(default_factory=list)
    """From upload to answer, one value per photo that was answered."""
    errors: Counter[str] = field(default_factory=Counter)
    """What went wrong -> how often. A full queue is one of these: it is meant to refuse."""


def photo(kind: str) -> bytes:
    """Return the photo sent: ``astronaut`` (a face to be found) or ``crop`` (a face already)."""
    pixels = sample_photos()["astronaut"] if kind == "astronaut" else sample_faces().images[0]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def served() -> Iterator[str]:
    """Start the tab on a free port and give its address; stop it in the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port)}
    command = [sys.executable, "-m", "studio.classify_tab.app"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + START_SECONDS
        while not _is_up(url):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"load: the server did not start (status {process.poll()})")
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/config", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


async def ask(client: httpx.AsyncClient, content: bytes) -> str:
    """Upload a photo and wait for its answer; return what was wrong, or nothing."""
    sent = await client.post("/gradio_api/upload", files={"files": ("face.png", content)})
    if sent.status_code != 200:
        return f"upload {sent.status_code}"
    file = {"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}}
    body: dict[str, Any] = {"data": [file, "all", False]}
    response = await client.post("/gradio_api/call/classify", json=body)
    if response.status_code != 200:
        return f"call {response.status_code}"
    answer = await client.get(f"/gradio_api/call/classify/{response.json()['event_id']}")
    if "event: complete" not in answer.text:
        return "queue full" if "full" in answer.text else "answered with an error"
    return ""


async def client_of(url: str, content: bytes, until: float, tally: Tally) -> None:
    """Ask over and over until the time is up."""
    async with httpx.AsyncClient(base_url=url, timeout=ANSWER_SECONDS) as client:
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                wrong = await ask(client, content)
            except httpx.HTTPError as error:
                wrong = type(error).__name__
            if wrong:
                tally.errors[wrong] += 1
                await asyncio.sleep(0.2)  # a client that is refused does not hammer
            else:
                tally.seconds.append(time.monotonic() - began)


async def load(url: str, clients: int, seconds: float, content: bytes) -> Tally:
    """Run the clients side by side."""
    tally = Tally()
    until = time.monotonic() + seconds
    await asyncio.gather(*(client_of(url, content, until, tally) for _ in range(clients)))
    return tally


def report(tally: Tally, clients: int, seconds: float) -> None:
    """Print the figures."""
    n = len(tally.seconds)
    print(f"{clients} clients, {seconds:.0f} s: {n} answers, {n / seconds:.1f} a second")
    if n:
        half, most = np.percentile(tally.seconds, [50, 99])
        print(f"  upload to answer: p50 {half:.2f} s, p99 {most:.2f} s")
    errors = ", ".join(f"{count} x {name}" for name, count in tally.errors.most_common())
    print(f"  errors: {errors or 'none'}")


def main() -> None:
    """Parse, serve, load, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=8, help=f"at most {MOST_CLIENTS}")
    parser.add_argument("--seconds", type=float, default=120, help=f"at most {MOST_SECONDS}")
    parser.add_argument("--photo", choices=("astronaut", "crop"), default="astronaut")
    args = parser.parse_args()
    clients = min(max(args.clients, 1), MOST_CLIENTS)
    seconds = min(max(args.seconds, 1.0), MOST_SECONDS)
    with served() as url:
        began = time.monotonic()
        tally = asyncio.run(load(url, clients, seconds, photo(args.photo)))
        report(tally, clients, time.monotonic() - began)


if __name__ == "__main__":
    main()
