"""Parts of a room that answer alone, so that one widget does not draw the whole room again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

Told = TypeVar("Told")


def part(body: Callable[[], Told]) -> Told:
    """Draw a part as a fragment and return what it tells the rest of the room.

    Its widgets draw the part again, and the room only if `body` then tells something else.

    Args:
        body: draws the part; returns what the rest depends on, comparable by ``==``.
    """
    told: list[Told] = []

    @st.fragment
    def draw() -> None:
        now = body()
        if not told:  # the whole room is being drawn
            told.append(now)
        elif now != told[0]:
            st.rerun()

    draw()
    return told[0]
