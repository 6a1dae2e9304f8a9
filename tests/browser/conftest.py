"""The studio's real server and a headless Chromium, for every walk through the pages."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.toys import ROOT

FAKE_CAMERA = "--use-fake-device-for-media-stream"
"""A camera that shows a test picture."""
EXCEPTION = "[data-testid=stException]"
"""What no walk may leave on a page."""


def find_chromium() -> str:
    """Return a Chromium's path, or skip."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not found:
        pytest.skip("no Chromium on this machine: install one or set CHROMIUM")
    return found


@contextmanager
def served(script: str, **environment: str) -> Iterator[str]:
    """Serve a Streamlit script by its real server; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script,
               "--server.port", str(port), "--server.address", "127.0.0.1",
               "--server.headless", "true"]  # fmt: skip
    plain = {k: v for k, v in os.environ.items() if k != "FER2013_DIR"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=plain | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(f"{address}/_stcore/health", process)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="package")
def studio() -> Iterator[str]:
    """The studio, started as the README says; gives its address."""
    with served("studio/Home.py") as address:
        yield address


def wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        if process.poll() is not None:
            output = process.stdout.read().decode() if process.stdout else ""
            raise AssertionError(f"the studio stopped: {output}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the studio was not healthy after a minute")


@contextmanager
def chromium() -> Iterator[object]:
    """Start a headless Chromium; skip where there is none to start."""
    sync_api = pytest.importorskip("playwright.sync_api")
    from docs.screenshots import FLAGS

    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=find_chromium(), args=[*FLAGS, FAKE_CAMERA]
        )
        yield started
        started.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[object]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser) -> Iterator[object]:  # type: ignore[no-untyped-def]
    context = browser.new_context(viewport={"width": 1440, "height": 2600})
    page = context.new_page()
    page.complaints = []
    page.on(
        "console", lambda m: m.type == "error" and page.complaints.append(f"{m.text} {m.location}")
    )
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    assert page.locator(EXCEPTION).count() == 0
    context.close()
