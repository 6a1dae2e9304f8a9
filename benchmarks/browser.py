"""Real servers and a real browser for the user-interface benchmark."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[1]
STUDIO = ROOT / "studio" / "Home.py"
STILL = 250
"""Milliseconds without a running script after which a page counts as settled."""

SETTLED = """
() => {
  let app = null;  // found once: a search in every frame would take part in what it measures
  const running = () => {
    if (!app?.isConnected) app = document.querySelector('[data-testid=stApp]');
    return !app || app.dataset.testScriptState !== 'notRunning';
  };
  window.settled = (patience, acted) => new Promise((done) => {
    const began = performance.now();
    let last = acted ? null : began;  // after an act, something must have changed
    const note = () => { last = performance.now(); };
    const own = (change) => (change.target.parentElement ?? change.target)
      .closest?.('[data-testid=stSlider]');  // a slider moves before its script runs
    const watch = new MutationObserver((changes) => { if (!changes.every(own)) note(); });
    const main = document.querySelector('[data-testid=stMain]') ?? document.body;
    watch.observe(main, { subtree: true, childList: true, characterData: true });
    const finish = (found) => { watch.disconnect(); done(found); };
    const look = () => {
      const now = performance.now();
      if (running()) note();
      if (last !== null && now - last > STILL) return finish(last - began);
      if (now - began > patience) return finish(null);
      requestAnimationFrame(look);
    };
    look();
  });
}
""".replace("STILL", str(STILL))
"""Defines ``settled(patience, acted)``: milliseconds until the script had ended and the room's
content changed for the last time; null if that takes longer than `patience`."""


@dataclass(frozen=True)
class Server:
    """A Streamlit server of this benchmark."""

    address: str
    process: psutil.Process

    def memory(self) -> int:
        """Return the resident bytes of the server and its children."""
        every = [self.process, *self.process.children(recursive=True)]
        return sum(int(one.memory_info().rss) for one in every if one.is_running())


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(script: Path, log: Path, patience: float = 120) -> Iterator[Server]:
    """Serve a Streamlit script until the block ends.

    Raises:
        RuntimeError: it stopped, or was not healthy in time; quotes its log.
    """
    port = free_port()
    command = [
        sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port),
        "--server.address", "127.0.0.1", "--server.headless", "true",
    ]  # fmt: skip
    environment = {key: value for key, value in os.environ.items() if key != "FER2013_DIR"}
    with log.open("wb") as stream:
        started = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _await_health(f"{address}/_stcore/health", started, log, patience)
            yield Server(address, psutil.Process(started.pid))
        finally:
            started.terminate()
            started.wait(timeout=30)


def _await_health(url: str, process: subprocess.Popen[bytes], log: Path, patience: float) -> None:
    until = time.monotonic() + patience
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{url} did not answer in {patience:.0f} s: {log.read_text()}")
