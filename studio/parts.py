"""Parts of a room that answer alone, so that one widget does not draw the whole room again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import streamlit as st

from fermodels.errors import FerError
from studio.plain import say_error

Told = TypeVar("Told")
Given = ParamSpec("Given")


@contextmanager
def said() -> Iterator[None]:
    """Show an error of ours as its one sentence, where it happened, and stop; others pass.

    Within a fragment this stops the room, while that is drawn, and else the fragment alone.
    """
    try:
        yield
    except FerError as error:
        say_error(error)
        st.stop()


def fragment(
    body: Callable[Given, None], *, run_every: float | None = None
) -> Callable[Given, None]:
    """Return `body` as Streamlit's fragment, in which an error of ours is one sentence.

    A fragment is run again without the room around it: what catches the room's errors is not there.

    Args:
        body: draws the part.
        run_every: seconds between two runs of their own; none by default.
    """

    @wraps(body)
    def guarded(*args: Given.args, **kwargs: Given.kwargs) -> None:
        with said():
            body(*args, **kwargs)

    drawn: Callable[Given, None] = st.fragment(guarded, run_every=run_every)
    return drawn


def part(body: Callable[[], Told]) -> Told:
    """Draw a part as a fragment and return what it tells the rest of the room.

    Its widgets draw the part again, and the room only if `body` then tells something else.

    Args:
        body: draws the part; returns what the rest depends on, comparable by ``==``.
    """
    told: list[Told] = []

    @fragment
    def draw() -> None:
        now = body()
        if not told:  # the whole room is being drawn
            told.append(now)
        elif now != told[0]:
            st.rerun()

    draw()
    return told[0]
