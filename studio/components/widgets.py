"""What every room shares: its opening and footer, and the choice of networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import streamlit as st

from fermodels.errors import FerError
from fermodels.nets import catalog
from studio import networks, public
from studio.components.text import plain, say_error
from studio.state import BOUND

FIRST = ("shallow", "deep", "hybrid-deep")
"""What stands side by side at first: the paper's two designs, and the deep one with HOG."""
ETHICS = (
    "An expression is not an emotion, FER-2013's labels are noisy, and none of this may be used "
    "to decide anything about a person."
)


def opening(question: str, look_at: str) -> None:
    """Open a room: its question as title, then one sentence on what to look at."""
    st.title(question, anchor=False)
    st.markdown(look_at)


def footer(cannot_conclude: str) -> None:
    """Close a room with what one may not conclude from it, and the ethics in one line."""
    st.divider()
    st.markdown(f"**What this cannot tell you.** {cannot_conclude}")
    st.caption(ETHICS)


def how_to_see_scored() -> str:
    """Return the sentence that tells how to see the faces on which networks were scored."""
    if public.is_public():
        return (
            "This public studio shows its sample set alone: to see those faces, run the studio on "
            "your machine, with FER-2013."
        )
    return "Enter the path of FER-2013 under **Dataset** in the sidebar to see them."


def pick_model(label: str = "Model", key: str = "model") -> str:
    """Return the checkpoint chosen, `networks.usual` at first; it lives in the URL under `key`.

    Without any checkpoint the page says how to get one, and stops.
    """
    names = networks.choices()
    if not names:
        no_checkpoint()
    return str(st.selectbox(label, names, names.index(networks.usual()), key=key, **BOUND))


def pick_one(label: str, options: tuple[str, ...], key: str) -> str:
    """Return one of a few options, the first unless the URL or the visitor says otherwise."""
    chosen = st.segmented_control(
        label, options, default=options[0], required=True, key=key, **BOUND
    )
    return str(chosen)


def pick_models(
    label: str = "Models", key: str = "models", needs: tuple[str, ...] = (catalog.METRICS,)
) -> list[str]:
    """Return one or more checkpoints, in the shelf's order; the choice lives in the URL.

    Until the visitor chooses: those of `FIRST`, and their own.
    Without any checkpoint the page says how to get one, and stops; with none chosen it asks. A
    checkpoint that lacks a file the room needs is not offered, and the room says so.

    Args:
        label: of the picker.
        key: of the picker, and in the URL.
        needs: files of `catalog.FILES` that the room draws from.
    """
    if not networks.choices():
        no_checkpoint()
    names, bundled = networks.bringing(*needs), networks.names()
    first = [name for name in names if name in FIRST or name not in bundled] or names
    chosen = st.pills(
        label, names, selection_mode="multi", default=first, key=key, width="stretch",
        format_func=plain, **BOUND,
    )  # fmt: skip
    for name in [name for name in networks.choices() if name not in names]:
        st.caption(
            f":material/info: {plain(name)} came without {' and '.join(needs)}: not shown here."
        )
    if not chosen:
        st.info("Choose at least one network.", icon=":material/arrow_upward:")
        st.stop()
    return [name for name in names if name in chosen]


def lacks(name: str, file: str, what: str) -> bool:
    """Return whether a checkpoint came without a file, saying what is therefore not shown."""
    if networks.has(name, file):
        return False
    st.info(
        f"**{plain(name)}** came without `{file}`, so there is nothing to show here: {what}.",
        icon=":material/inventory_2:",
    )
    return True


def no_checkpoint(*, stop: bool = True) -> None:
    """Say how to get a checkpoint, and stop the page unless told not to."""
    st.info(
        "**No trained network here yet.** Train one on FER-2013 and the rooms fill:\n\n"
        "```\npython -m train.run --variant shallow --data PATH --out checkpoints/shallow\n```",
        icon=":material/model_training:",
    )
    if stop:
        st.stop()


# --- Parts of a room that answer alone, so that one widget does not draw the whole room again


Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show an error of ours as its one sentence, where it happened, and stop; others pass.

    Within a fragment this stops the room, while that is drawn, and else the fragment alone.
    """
    try:
        yield
    except FerError as error:
        say_error(error)
        st.stop()


def fragment(
    body: Callable[Arguments, None], *, run_every: float | None = None
) -> Callable[Arguments, None]:
    """Return `body` as Streamlit's fragment, in which an error of ours is one sentence.

    A fragment is run again without the room around it: what catches the room's errors is not there.

    Args:
        body: draws the part.
        run_every: seconds between two runs of their own; none by default.
    """

    @wraps(body)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        with errors_shown():
            body(*args, **kwargs)

    drawn: Callable[Arguments, None] = st.fragment(guarded, run_every=run_every)
    return drawn


def fragment_part(body: Callable[[], Result]) -> Result:
    """Draw a part as a fragment and return what it tells the rest of the room.

    Its widgets draw the part again, and the room only if `body` then tells something else.

    Args:
        body: draws the part; returns what the rest depends on, comparable by ``==``.
    """
    results: list[Result] = []

    @fragment
    def draw() -> None:
        now = body()
        if not results:  # the whole room is being drawn
            results.append(now)
        elif now != results[0]:
            st.rerun()

    draw()
    return results[0]


def origin_lines(origin: dict[str, Any]) -> str:
    """Return data, code and versions of a result's provenance, a line each."""
    versions = ", ".join(f"{k} {v}" for k, v in origin["versions"].items())
    return (
        f"data      {origin['data_name']} sha256 {origin['data_hash']}\n"
        f"code      {origin['git_revision']}\n"
        f"versions  {versions}"
    )
