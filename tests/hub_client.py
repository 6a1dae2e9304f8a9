"""A process that pulls and pushes as told, one JSON line a call.

huggingface_hub reads ``HF_ENDPOINT`` when it is imported, so a test's calls need a process; one
is kept for many calls because importing torch takes seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.toys import ROOT


class HubClient:
    """The parent's side: start it with an endpoint, then `call`."""

    def __init__(self, endpoint: str, home: Path, **environment: str) -> None:
        self.home = home
        own = {
            "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.hub_client"], cwd=ROOT, env=kept | own | environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def call(
        self, name: str, *words: Any, token: str = "", cache: Path | None = None,
        offline: bool = False, patient: bool = True,
    ) -> Any:  # fmt: skip
        """Return what the function returned, or raise its error's type and sentence.

        Args:
            name: pull, push or predict.
            words: its arguments.
            token: of the user; none when empty.
            cache: folder of downloads; the client's own by default.
            offline: as if ``HF_HUB_OFFLINE=1`` were set.
            patient: wait between huggingface_hub's retries, up to 23 s in all.
        """
        assert self.process.stdin and self.process.stdout
        asked = {
            "name": name, "words": words, "token": token, "cache": str(cache or self.home),
            "offline": offline, "patient": patient,
        }  # fmt: skip
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise ClientError(answer["kind"], answer["error"], answer["seconds"])
        return answer["value"]

    def close(self) -> None:
        """End the process; it holds nothing worth a slow farewell from torch."""
        self.process.kill()
        self.process.communicate()


class ClientError(Exception):
    """An error that the called function raised."""

    def __init__(self, kind: str, sentence: str, seconds: float) -> None:
        super().__init__(f"{kind}: {sentence}")
        self.kind, self.sentence, self.seconds = kind, sentence, seconds


def _functions() -> dict[str, Callable[..., Any]]:
    import numpy as np

    import fermodels
    from fermodels import hub
    from train.push import push

    def predict(name: str, revision: str | None = None) -> Any:
        faces = np.random.default_rng(0).integers(0, 256, (4, 48, 48), dtype=np.uint8)
        return fermodels.load(name, revision=revision).predict(faces).tolist()

    return {"pull": lambda *words: str(hub.pull(*words)), "push": push, "predict": predict}


def _serve() -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils import _http

    sleep = _http.time.sleep
    functions = _functions()
    for line in sys.stdin:
        asked = json.loads(line)
        os.environ.pop("HF_TOKEN", None)
        if asked["token"]:
            os.environ["HF_TOKEN"] = asked["token"]
        constants.HF_HUB_CACHE, constants.HF_HUB_OFFLINE = asked["cache"], asked["offline"]
        _http.time.sleep = sleep if asked["patient"] else lambda _seconds: None
        began = time.perf_counter()
        try:
            answer = {"value": functions[asked["name"]](*asked["words"])}
        except Exception as error:  # noqa: BLE001  (the parent judges it)
            seconds = time.perf_counter() - began
            answer = {"error": str(error), "kind": type(error).__name__, "seconds": seconds}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
