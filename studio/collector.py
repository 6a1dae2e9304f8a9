"""Keeps Python's garbage collector from walking through every library after every click."""

from __future__ import annotations

import gc
import sys
from functools import cache


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
