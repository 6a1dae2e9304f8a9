"""A face on which one draws a rectangle, with mouse, finger or keyboard."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.dataset import FACE_SIDE
from fermodels.data.edits import Area
from studio.figures import images
from studio.theme import asset

_component = st.components.v2.component(
    "fer_canvas",
    html='<div class="canvas" tabindex="0" role="group" aria-label="The face. Drag to draw a '
    "rectangle, click to move it; arrow keys move it, with Shift they change its size. The "
    'sliders beside it do the same."><img alt="The face being edited"><div class="area"></div>'
    "</div>",
    css=asset("rectangle.css"),
    js=asset("rectangle.js"),
)


def draw(face: NDArray[np.uint8], area: Area, *, key: str, on_draw: Callable[[Area], None]) -> None:
    """Show a face with a rectangle on it.

    Args:
        face: uint8 ``(48, 48)``.
        area: the rectangle as it stands.
        key: unique in the page.
        on_draw: called with a new rectangle, before the run that it causes.
    """

    def drawn() -> None:
        ends = st.session_state[key]["area"]
        if ends:
            on_draw(Area(*(int(end) for end in ends)))

    data = {
        "face": images.data_uri(face),
        "side": FACE_SIDE,
        "area": [area.top, area.bottom, area.left, area.right],
    }
    _component(key=key, data=data, on_area_change=drawn)
