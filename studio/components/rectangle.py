"""A face on which one draws a rectangle, with mouse, finger or keyboard."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.dataset import FACE_SIDE
from fermodels.data.edits import Area
from studio.figures import images

CSS = """
.canvas { position: relative; width: min(100%, 336px); aspect-ratio: 1; touch-action: none;
          cursor: crosshair; border-radius: 6px; user-select: none; }
.canvas img { width: 100%; height: 100%; image-rendering: pixelated; border-radius: 6px;
              display: block; pointer-events: none; }
.canvas .area { position: absolute; box-sizing: border-box; pointer-events: none;
                border: 2px solid #fff; outline: 2px solid #000; }
.canvas:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 3px; }
"""

JS = """
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const canvas = parentElement.querySelector(".canvas"), side = data.side;
  const box = canvas.querySelector(".area");
  canvas.querySelector("img").src = data.face;
  let area = [...data.area];
  const draw = () => {
    const [top, bottom, left, right] = area.map((end) => end / side * 100 + "%");
    Object.assign(box.style, { top, left,
      height: (area[1] - area[0]) / side * 100 + "%",
      width: (area[3] - area[2]) / side * 100 + "%" });
  };
  const send = () => setTriggerValue("area", area);
  const at = (event) => {
    const frame = canvas.getBoundingClientRect();
    const place = (pos, length) => Math.min(side - 1, Math.max(0, Math.floor(pos / length * side)));
    return [place(event.clientY - frame.top, frame.height),
            place(event.clientX - frame.left, frame.width)];
  };
  let start = null;
  canvas.onpointerdown = (event) => {
    start = at(event);
    canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointermove = (event) => {
    if (!start) return;
    const [row, column] = at(event);
    area = [Math.min(start[0], row), Math.max(start[0], row) + 1,
            Math.min(start[1], column), Math.max(start[1], column) + 1];
    draw();
  };
  canvas.onpointerup = (event) => {
    if (!start) return;
    const [row, column] = at(event), [top, left] = start;
    start = null;
    if (row === top && column === left) {  // a click moves the rectangle there
      const high = data.area[1] - data.area[0], wide = data.area[3] - data.area[2];
      const first = (middle, size) =>
        Math.min(side - size, Math.max(0, middle - Math.floor(size / 2)));
      area = [first(row, high), first(row, high) + high,
              first(column, wide), first(column, wide) + wide];
      draw();
    }
    send();
  };
  canvas.onkeydown = (event) => {
    const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [2, -1], ArrowRight: [2, 1] };
    if (!(event.key in step)) return;
    event.preventDefault();
    const [axis, by] = step[event.key], next = [...area];
    if (!event.shiftKey) next[axis] += by;
    next[axis + 1] += by;
    if (next[axis] < 0 || next[axis + 1] > side || next[axis + 1] <= next[axis]) return;
    area = next;
    draw();
    clearTimeout(canvas.later);
    canvas.later = setTimeout(send, 350);
  };
  draw();
}
"""

_component = st.components.v2.component(
    "fer_canvas",
    html='<div class="canvas" tabindex="0" role="group" aria-label="The face. Drag to draw a '
    "rectangle, click to move it; arrow keys move it, with Shift they change its size. The "
    'sliders beside it do the same."><img alt="The face being edited"><div class="area"></div>'
    "</div>",
    css=CSS,
    js=JS,
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
