"""Loaded networks, lent to one thread at a time; shared by the Streamlit rooms and Gradio."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from fermodels.nets import shelf

if TYPE_CHECKING:
    from fermodels.nets.networks import FERNet

MOST_KEPT = 8
"""Networks held in memory at a time: the paper's six and two brought by visitors."""


@dataclass
class _Kept:
    """A loaded network and the stamp of the files it came from."""

    stamp: str
    net: FERNet
    lock: Lock = field(default_factory=Lock)


_kept: OrderedDict[Path, _Kept] = OrderedDict()
_loading = Lock()


def stamp(name: str | Path) -> str:
    """Return a key that changes when the checkpoint's files do; part of every cache key.

    Raises:
        CheckpointError: there is none of that name.
    """
    return _stamp_of(shelf.find(name))


def _stamp_of(folder: Path) -> str:
    times = [str(p.stat().st_mtime_ns) for p in sorted(folder.iterdir())]
    return ":".join([str(folder), *times])


@contextmanager
def borrowed(name: str | Path) -> Iterator[FERNet]:
    """Lend a network, in eval mode, loaded at its first use and again when its files change.

    A network is shared by all visitors, and explainers hang hooks on its modules: hence the lock.
    The least recently used one is let go when there are more than MOST_KEPT.

    Args:
        name: a bundled checkpoint's name, or a folder.

    Raises:
        CheckpointError: missing, altered, or weights that do not fit the config.
    """
    folder = shelf.find(name)
    now = _stamp_of(folder)
    with _loading:
        if folder not in _kept or _kept[folder].stamp != now:
            from fermodels.nets import checkpoint

            _kept[folder] = _Kept(now, checkpoint.load(folder))
        _kept.move_to_end(folder)
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
        kept = _kept[folder]
    with kept.lock:
        yield kept.net
