"""How many files four journeys enter, and how deep they go: ``python -m benchmarks.journeys``.

A file is entered when a function of ours in it is called; depth counts frames of our own. To follow
a journey a newcomer has to open that many files. All but training run once before they are counted,
so that what is cached once for all (networks, datasets) is not part of it.
"""

from __future__ import annotations

import io
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OURS = tuple(f"{ROOT / name}/" for name in ("fermodels", "studio", "pages", "train"))


class Entered:
    """Which files were entered, and the deepest stack of our own frames."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.depth = 0

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        """Count a call (the signature of `sys.setprofile`)."""
        name = frame.f_code.co_filename
        if event != "call" or not name.startswith(OURS) or frame.f_code.co_name == "<module>":
            return
        self.files.add(name)
        deep, at = 0, frame
        while at is not None:
            deep += at.f_code.co_filename.startswith(OURS)
            at = at.f_back  # type: ignore[assignment]
        self.depth = max(self.depth, deep)


@contextmanager
def counting() -> Iterator[Entered]:
    """Count calls within, in this thread and in those that begin within."""
    entered = Entered()
    threading.setprofile(entered)
    sys.setprofile(entered)
    try:
        yield entered
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def train() -> Callable[[], object]:
    """``python -m train.run --variant hybrid-deep``, one epoch of rendered faces."""
    from train.run import parse, run

    def one_run() -> None:
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
            words = f"--variant hybrid-deep --data samples --epochs 1 --run-dir {folder}/run"
            run(parse(words.split()))

    return one_run


def explain() -> Callable[[], object]:
    """``fermodels.explain(net, face, "integrated-gradients")``."""
    import fermodels

    net, face = fermodels.load("deep"), fermodels.read_faces("samples").images[0]
    return lambda: fermodels.explain(net, face, "integrated-gradients")


def saliency() -> Callable[[], object]:
    """The next face in Saliency, four methods."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "studio" / "Home.py"), default_timeout=300).run()
    app.switch_page(str(ROOT / "pages" / "saliency.py")).run()
    following = next(button for button in app.button if "next" in str(button.key).lower())
    return lambda: following.click().run()


def classify() -> Callable[[], object]:
    """A photo in Classify."""
    from studio.classify_tab.html import reading_html
    from studio.classify_tab.reading import read

    photo = a_photo()
    return lambda: reading_html(read(photo, whole=True))


def why() -> Callable[[], object]:
    """The "why?" of that photo."""
    from studio.classify_tab.html import explain_photo, why_html

    photo = a_photo()
    return lambda: why_html(explain_photo(photo, "deep", whole=True))


def a_photo() -> bytes:
    """Return a rendered face as PNG."""
    import numpy as np

    from fermodels import read_faces
    from studio.figures.images import png

    return png(np.asarray(read_faces("samples").images[0]), 4)


JOURNEYS = (train, saliency, explain, classify, why)


def main() -> None:
    """Print files and depth of every journey."""
    for journey in JOURNEYS:
        go = journey()
        if journey is not train:
            go()
        with counting() as entered:
            go()
        print(f"{len(entered.files):3} files, {entered.depth:2} deep: {journey.__doc__}")


if __name__ == "__main__":
    main()
