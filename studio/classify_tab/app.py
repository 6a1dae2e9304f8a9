"""Upload-and-classify: ``python -m studio.classify_tab.app``, or the studio's Classify room.

Where uploads lie and how long: `uploads`. What may reach Gradio: `security`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr
import numpy as np
from gradio.events import api
from PIL import Image
from starlette.middleware import Middleware

from fermodels.classify.table import COLUMNS
from fermodels.data.emotions import EMOTIONS
from fermodels.data.samples import sample_faces, sample_photos
from fermodels.evaluation.calibration import BY_CHANCE
from fermodels.memory import return_freed_memory
from fermodels.nets import catalog
from studio.classify_tab import answers, html, reading, theme
from studio.classify_tab.html import METHOD, NOTHING, PREDICTED
from studio.classify_tab.reading import ALL, MAX_BYTES, MAX_PHOTOS
from studio.classify_tab.security import Guard
from studio.classify_tab.uploads import in_memory, photos, private_folder, remove_folder
from studio.server_guard import secured
from studio.theme import asset

QUEUE_LENGTH = 32
"""Waiting requests; one more is told to come back later."""

AT_ONCE = 2
"""Photos read at the same time; more would only share the same cores."""

SWEEP_SECONDS = 60.0

MOST_SESSIONS = 100
"""Visits whose page Gradio remembers (70 to 190 KB each); an older one is made anew when needed."""

EXAMPLE_CLASSES = ("happy", "surprise", "sad", "angry")

HEAD = """<div class="fer-head"><h1>What do the networks see in your photo?</h1><p>Every face is
found, cut out as FER-2013 cuts its faces, and shown to the networks of the studio.</p></div>"""
FOOT = """<p class="fer-foot"><span class="fer-alone">An expression is not an emotion, the networks
were taught on noisy labels, and none of this may be used to decide anything about a person.
{calibration}</span>Your photo stays in this server's {where} for at most 11 minutes, then it is
deleted. It is not {stored}shared or used for training.</p>"""

ONE: dict[str, Any] = {
    "preprocess": False,
    "concurrency_limit": AT_ONCE,
    "concurrency_id": "read",
}
"""For every event that reads a photo. `preprocess=False` hands over the file as uploaded:
decoding is ours, with our limits."""

MANY = ONE | {"concurrency_limit": 1, "concurrency_id": "many"}
"""For events that read many: one at a time, so that a single photo always finds a free place."""

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
"""For the page's own events, which answer with HTML; the API has endpoints of its own."""


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
    private_folder()
    # Gradio keeps a record of so many events and makes a table of them after each that fails.
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "10"
    demo: gr.Blocks
    with gr.Blocks(title="FER Studio: classify a photo", analytics_enabled=False) as demo:
        gr.HTML(HEAD, js_on_load=asset("fit_frame.js") + asset("paste_photo.js"))
        with gr.Tab("One photo"):
            one_photo()
        with gr.Tab("Many photos"):
            many_photos()
        where, stored = ("memory", "stored, ") if in_memory() else ("temporary folder", "")
        text = escape(calibration_text())
        gr.HTML(FOOT.format(where=where, stored=stored, calibration=text))
        api(answers.networks_with_accuracy, api_name="networks")
    demo.queue(max_size=QUEUE_LENGTH, default_concurrency_limit=AT_ONCE)
    demo.state_session_capacity = MOST_SESSIONS
    return demo


def calibration_text() -> str:
    """Return in a sentence which networks are over- or underconfident, from their own records."""
    errors = {n: words for n in catalog.available() if (words := reading.calibration_line(n))}
    if not errors:
        return ""
    shown = [f"{name} {words}" for name, words in errors.items() if BY_CHANCE not in words]
    others = "none" if not shown else "; ".join(shown)
    return (
        "Networks whose percentages, as shown here, are miscalibrated on FER-2013's validation "
        f"faces, beyond what chance could explain: {others}. Other photos may differ. "
    )


@dataclass(frozen=True)
class _One:
    """The parts of the first tab that events read."""

    photo: gr.Image
    model: gr.Dropdown
    whole: gr.Checkbox


def pick_network(label: str = "Model") -> gr.Dropdown:
    """Return the picker of one or all networks."""
    choices = [("All networks", ALL), *((name, name) for name in catalog.available())]
    return gr.Dropdown(choices, value=ALL, label=label)


def one_photo() -> None:
    """Lay out the first tab: a photo, the answer, and why."""
    with gr.Row(elem_classes="fer-row"):
        with gr.Column(scale=4, min_width=300, elem_classes="fer-left"):
            one = photo_inputs()
        with gr.Column(scale=7, min_width=320, elem_classes="fer-answer"):
            answer = gr.HTML(html.EMPTY)
            if best := answers.best_network():
                why(one, best)
    inputs = [one.photo, one.model, one.whole]
    gr.on(
        [one.photo.change, one.model.change, one.whole.change],
        answers.show,
        inputs,
        answer,
        trigger_mode="always_last",
        **ONE,
        **QUIET,
    )
    _endpoint(answers.classify, inputs, "classify")


def photo_inputs() -> _One:
    """Lay out the inputs: the photo, the network, a cropped face or not; examples."""
    photo = gr.Image(
        label="Photo",
        sources=["upload", "clipboard", "webcam"],
        height=320,
        buttons=[],
        placeholder="Drop a photo here, paste one, or click",
    )
    model = pick_network()
    whole = gr.Checkbox(
        label="My picture is already a cropped face",
        info="No face is looked for: the central square is read.",
    )
    with gr.Column(elem_classes="fer-examples"):
        gr.Examples(example_photos(private_folder() / "examples"), photo, label="Examples")
    return _One(photo, model, whole)


def why(one: _One, best: str) -> None:
    """Lay out the questions after an answer: why that, why not another, by which network."""
    expressions = [("the prediction", PREDICTED), *((e, e) for e in EMOTIONS)]
    against = [("(nothing)", NOTHING), *((e, e) for e in EMOTIONS)]
    methods = [(title, name) for name, title in answers.method_titles().items()]
    with gr.Accordion("Explain the prediction", open=False):
        with gr.Row():
            choices = [
                gr.Dropdown(list(catalog.available()), value=best, label="Model", min_width=220),
                gr.Dropdown(expressions, value=PREDICTED, label="Explain", min_width=220),
                gr.Dropdown(against, value=NOTHING, label="instead of", min_width=220),
                gr.Dropdown(methods, value=METHOD, label="Method", min_width=220),
            ]
        button = gr.Button("Explain", size="sm")
        map_ = gr.HTML()
    inputs = [one.photo, *choices, one.whole]
    button.click(answers.show_why, inputs, map_, **ONE, **QUIET)
    # A map of the photo before would stand under the new one.
    one.photo.change(None, None, map_, js="() => ''")
    _endpoint(answers.explain, inputs, "explain")


def many_photos() -> None:
    """Lay out the second tab: many photos in, a table and a CSV out."""
    with gr.Row():
        photos = gr.File(
            label=f"Up to {MAX_PHOTOS} photos",
            file_count="multiple",
            file_types=["image"],
            height=180,
            scale=3,
        )
        with gr.Column(scale=2):
            model = pick_network()
            every = gr.Checkbox(label="All faces", info="Otherwise the largest of each photo.")
            button = gr.Button("Classify", variant="primary")
    save = gr.HTML()
    table = gr.Dataframe(headers=list(COLUMNS), interactive=False, wrap=False, buttons=[])
    inputs = [photos, model, every]
    button.click(answers.show_many, inputs, [table, save], **MANY, **QUIET)
    _endpoint(answers.classify_many, inputs, "classify_many", **MANY)


def _endpoint(work: Any, inputs: list[Any], name: str, **how: Any) -> None:
    """Add an endpoint of the API, typed by the page's own components."""
    output, trigger = gr.JSON(label="answer", visible=False), gr.Button(visible=False)
    trigger.click(work, inputs, output, api_name=name, **(how or ONE))


@asynccontextmanager
async def swept(demo: gr.Blocks) -> AsyncIterator[None]:
    """Remove old photos and results each minute while the tab is served, and all in the end."""
    task = asyncio.create_task(_sweep(demo))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        remove_folder()  # a signal may spare Python's own exit


async def _sweep(demo: gr.Blocks) -> None:
    waiting: set[str] = set()
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        photos().sweep()
        waiting = drop_results(demo, waiting)
        return_freed_memory()


def drop_results(demo: gr.Blocks, ended_before: set[str]) -> set[str]:
    """Forget results that were fetched, and those nobody fetched since the sweep before.

    Gradio keeps them for whoever may still come: up to 2,000, each of 0.1 MB.

    Args:
        demo: the tab.
        ended_before: sessions whose events had all ended at the sweep before.

    Returns:
        The sessions whose events have all ended now.
    """
    queue = demo._queue
    ended: set[str] = set()
    for session in list(queue.pending_messages_per_session):
        waiting = queue.pending_event_ids_session.get(session, set())
        if not any(event in queue.event_ids_to_events for event in waiting):
            ended.add(session)
    for session in ended & ended_before:
        queue.pending_messages_per_session.pop(session, None)
        queue.pending_event_ids_session.pop(session, None)
    return ended - ended_before


def mount_options(demo: gr.Blocks, *, alone: bool = False) -> dict[str, Any]:
    """Return what `gr.mount_gradio_app` and `launch` need besides the demo.

    Args:
        demo: the tab.
        alone: it is served by itself, not behind what `studio.server` puts before both servers.
    """
    return {
        "theme": theme.theme(),
        "css": theme.font_faces(private_folder() / "fonts") + asset("classify.css"),
        "max_file_size": MAX_BYTES,
        "footer_links": ["api"],
        "run_history": False,
        "app_kwargs": {
            "lifespan": lambda _: swept(demo),
            "middleware": [*(secured() if alone else ()), Middleware(Guard, blocks=demo)],
        },
        "show_error": True,
    }


def main() -> None:
    """Serve the tab alone; ``GRADIO_SERVER_NAME`` and ``GRADIO_SERVER_PORT`` are honoured."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    demo = build_demo()
    demo.launch(
        server_name=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        server_port=int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
        share=False,
        prevent_thread_lock=True,
        state_session_capacity=MOST_SESSIONS,
        **mount_options(demo, alone=True),
    )
    stop.wait()
    demo.close(verbose=False)
    remove_folder()
    # A thread that is still inside a network would abort the process if Python went first.
    os._exit(0)


if __name__ == "__main__":
    main()
