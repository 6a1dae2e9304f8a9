"""How a walk opens a room, waits for it, and finds a place in it."""

from __future__ import annotations

import time
from collections.abc import Callable


def settle(page, seconds: float = 90) -> None:  # type: ignore[no-untyped-def]
    """Wait as the pictures do; loaded here, since without playwright the walks are skipped."""
    from docs import screenshots

    screenshots.settle(page, seconds)


def open_room(page, address: str) -> None:  # type: ignore[no-untyped-def]
    page.goto(address)
    settle(page)


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something holds."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, f"not so after {seconds} s"
        time.sleep(0.1)


def at_rest(element) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Return an element's box once it has not moved for half a second: pictures load above it."""
    seen = [element.bounding_box()]

    def still() -> bool:
        seen.append(element.bounding_box())
        return len(seen) > 5 and all(box == seen[-1] for box in seen[-5:])

    until(still)
    return seen[-1]


CELL = """(plot, [row, column]) => {
  const frame = plot.getBoundingClientRect(), { xaxis, yaxis } = plot._fullLayout;
  return [frame.x + xaxis._offset + xaxis.d2p(column), frame.y + yaxis._offset + yaxis.d2p(row)];
}"""


def cell_of(page, key: str, row: str, column: str) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Return where the middle of a cell of a plotly chart is on the screen."""
    chart = page.locator(f".st-key-{key} .js-plotly-plot")
    chart.wait_for(timeout=60_000)
    chart.scroll_into_view_if_needed()
    at_rest(chart)
    x, y = chart.evaluate(CELL, [row, column])
    return x, y
