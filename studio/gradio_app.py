"""Upload-and-classify: ``python -m studio.gradio_app``, or the studio's Classify room.

Gradio itself writes each upload to its temporary folder; that folder is private to this process,
cleared of files older than ten minutes, and removed at exit. Nothing else is written.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypedDict

import gradio as gr
import numpy as np
from gradio.events import api
from PIL import Image

from fermodels.data.emotions import EMOTIONS
from fermodels.data.samples import sample_faces, sample_photos
from fermodels.errors import FerError, PhotoError
from fermodels.nets import shelf
from studio import gradio_look, photo_view
from studio.photo_reading import MAX_BYTES, accuracy, as_json, read

QUEUE_LENGTH = 32
"""Waiting requests; one more is told to come back later."""

AT_ONCE = 2
"""Photos read at the same time; more would only share the same cores."""

SWEEP_SECONDS, KEEP_SECONDS = 60, 600
EXAMPLE_CLASSES = ("happy", "surprise", "sad", "angry")

HEAD = """<div class="fer-head"><h1>What does it say to your photo?</h1><p>The largest face is
found, cut out as FER-2013 cuts its faces, and shown to every network of the studio.</p></div>"""
FOOT = """<p class="fer-foot"><span class="fer-alone">An expression is not an emotion, the networks
were taught on noisy labels, and none of this may be used to decide anything about a person. The
bars are the networks' own outputs, surer than they should be. </span>Your photo lies in this
server's temporary folder for at most eleven minutes, and is used for nothing else.</p>"""
FIT_FRAME = """
const frame = window.frameElement;
if (frame) {
  const main = element.closest('main'), root = element.closest('.gradio-container');
  root.classList.add('fer-framed');
  element.style.display = 'none';
  new ResizeObserver(() => {
    const end = document.querySelector('.fer-foot').getBoundingClientRect().bottom;
    const height = Math.ceil(end + window.scrollY + 64) + 'px';
    frame.style.height = frame.parentElement.style.height = height;
  }).observe(main);
}
"""
"""Within the studio's page: its title is there already, and the frame grows with the answer."""

_folder: list[tempfile.TemporaryDirectory[str]] = []


@asynccontextmanager
async def _swept_at_the_end(_: object) -> AsyncIterator[None]:
    """Remove the private folder when the server stops: a signal may spare Python's own exit."""
    yield
    while _folder:
        _folder.pop().cleanup()


class Upload(TypedDict):
    """What Gradio says of an upload, its path checked to lie in the upload folder."""

    path: str | None


def private_folder() -> Path:
    """Return this process's own folder for Gradio's files (mode 0700), removed at exit."""
    if not _folder:
        _folder.append(tempfile.TemporaryDirectory(prefix="fer-studio-"))
        os.environ["GRADIO_TEMP_DIR"] = _folder[0].name
    return Path(_folder[0].name)


def photo_bytes(upload: Upload) -> bytes:
    """Return an upload's bytes.

    Raises:
        PhotoError: it is gone, or too large.
    """
    path = Path(upload.get("path") or "")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PhotoError(
                f"the photo has {path.stat().st_size:,} bytes, more than {MAX_BYTES:,}: save it "
                "smaller"
            )
        return path.read_bytes()
    except OSError as error:
        raise PhotoError(
            "the photo is no longer here, photos are kept for ten minutes: add it again"
        ) from error


def show(photo: Upload | None, whole: bool) -> str:
    """Return the answer to a photo as HTML, for the page."""
    if photo is None:
        return photo_view.EMPTY
    try:
        return photo_view.reading_html(read(photo_bytes(photo), whole))
    except FerError as error:
        return photo_view.problem_html(str(error))


def classify(photo: Upload | None, whole_picture: bool = False) -> dict[str, object]:
    """Name the expression of the largest face in a photo, by every network.

    Args:
        photo: a picture file: JPEG, PNG, WebP, GIF, BMP or TIFF, at most 10 MB.
        whole_picture: take the central square for the face instead of looking for one.

    Returns:
        faces: how many were found; face: box (left, top, right, bottom), score, whole_picture, or
        null; models: name -> expression and seven probabilities.
    """
    if photo is None:
        raise gr.Error("no photo was given: pass a picture file", print_exception=False)
    try:
        return as_json(read(photo_bytes(photo), whole_picture))
    except FerError as error:
        raise gr.Error(str(error), print_exception=False) from error


def networks() -> dict[str, float | None]:
    """Return the networks that answer, each with its accuracy on its test faces (0 to 1)."""
    scored = {name: accuracy(name) for name in shelf.available()}
    return {name: found and found[0] for name, found in scored.items()}


def example_photos(folder: Path) -> list[str]:
    """Write the examples and return their paths: photos and some rendered faces.

    All are free to show: `fermodels.data.samples` says where each comes from.
    """
    samples = sample_faces()
    paths = []
    for title, photo in sample_photos().items():
        paths.append(folder / f"{title}.jpg")
        Image.fromarray(photo).save(paths[-1], quality=92)
    for name in EXAMPLE_CLASSES:
        paths.append(folder / f"rendered-{name}.png")
        first = int(np.flatnonzero(samples.labels == EMOTIONS.index(name))[0])
        Image.fromarray(samples.images[first]).save(paths[-1])
    return [str(path) for path in paths]


def settle_matplotlib() -> None:
    """Import pyplot in full and choose its backend, before Gradio does so around every event.

    Gradio's switch fails while another thread is half-way through importing pyplot, as captum
    does when the studio warms up (seen: AttributeError on ``switch_backend``).
    """
    from matplotlib import pyplot

    pyplot.switch_backend("agg")


def build_demo() -> gr.Blocks:
    """Return the tab; mount or launch it with `mount_options`."""
    settle_matplotlib()
    folder = private_folder()
    demo: gr.Blocks
    with gr.Blocks(
        title="FER Studio: classify a photo",
        analytics_enabled=False,
        delete_cache=(SWEEP_SECONDS, KEEP_SECONDS),
    ) as demo:
        gr.HTML(HEAD, js_on_load=FIT_FRAME)
        with gr.Row(elem_classes="fer-row"):
            with gr.Column(scale=4, min_width=300, elem_classes="fer-left"):
                photo = gr.Image(
                    label="Photo",
                    sources=["upload", "clipboard", "webcam"],
                    height=320,
                    buttons=[],
                    placeholder="Drop a photo here, paste one, or click",
                )
                whole = gr.Checkbox(
                    label="Take the whole picture",
                    info="Reads its central square: for a picture that is already a face.",
                )
                with gr.Column(elem_classes="fer-examples"):
                    gr.Examples(example_photos(folder), photo, label="Examples")
            with gr.Column(scale=7, min_width=320, elem_classes="fer-answer"):
                answer = gr.HTML(photo_view.EMPTY)
        gr.HTML(FOOT)
        _wire(photo, whole, answer)
    demo.queue(max_size=QUEUE_LENGTH, default_concurrency_limit=AT_ONCE)
    return demo


def _wire(photo: gr.Image, whole: gr.Checkbox, answer: gr.HTML) -> None:
    """Connect the page, and the API's endpoints ``/classify`` and ``/networks``.

    `preprocess=False` hands over the file as uploaded, its path still checked by Gradio: decoding
    is ours, with our limits.
    """
    shared: dict[str, Any] = {
        "preprocess": False,
        "concurrency_limit": AT_ONCE,
        "concurrency_id": "read",
    }
    gr.on(
        [photo.change, whole.change],
        show,
        [photo, whole],
        answer,
        api_visibility="private",
        trigger_mode="always_last",
        show_progress="minimal",
        **shared,
    )
    numbers = gr.JSON(label="answer", visible=False)
    asked = gr.Button(visible=False)
    asked.click(classify, [photo, whole], numbers, api_name="classify", **shared)
    api(networks, api_name="networks")


def mount_options() -> dict[str, Any]:
    """Return what `gr.mount_gradio_app` and `launch` need besides the demo."""
    return {
        "theme": gradio_look.theme(),
        "css": gradio_look.font_faces() + gradio_look.CSS,
        "allowed_paths": [str(path) for path in gradio_look.FONT_FILES.values()],
        "max_file_size": MAX_BYTES,
        "footer_links": ["api"],
        "run_history": False,
        "app_kwargs": {"lifespan": _swept_at_the_end},
        "show_error": True,
    }


def main() -> None:
    """Serve the tab alone; ``GRADIO_SERVER_NAME`` and ``GRADIO_SERVER_PORT`` are honoured."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the private folder goes too
    build_demo().launch(
        server_name=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        server_port=int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
        share=False,
        **mount_options(),
    )


if __name__ == "__main__":
    main()
