"""After every run of a room: the garbage collector spares libraries, freed memory goes back."""

from __future__ import annotations

import gc
import sys
import time
from functools import cache

from fermodels.memory import return_freed_memory

PAUSE = 5.0
"""Seconds from one return of memory to the next: it takes milliseconds, clicks come more often."""

_returned = time.monotonic()


def spare_libraries() -> None:
    """Put what is in memory out of the collector's sight, whenever libraries were loaded.

    Streamlit collects garbage after each run of a script, before the browser hears that it has
    ended. With torch, captum and plotly loaded that walks through a million objects that never
    are garbage: 0.2 s of every click (measured). What a visit leaves behind is collected as before.
    """
    _freeze(len(sys.modules))


@cache
def _freeze(loaded: int) -> None:
    """Collect and freeze, once for each number of loaded modules."""
    gc.collect()
    gc.freeze()


def return_memory() -> None:
    """Give back what the runs of the last seconds freed.

    Every run has a thread of its own, and glibc a heap for each of several threads: what an
    explanation freed in one would stay there while the next asks for as much in another.
    """
    global _returned
    if time.monotonic() - _returned > PAUSE:
        _returned = time.monotonic()
        return_freed_memory()
