"""Loaded networks, lent to one thread at a time; shared by the Streamlit rooms and Gradio."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore, Lock, local
from typing import TYPE_CHECKING

from fermodels.nets import shelf

if TYPE_CHECKING:
    from fermodels.nets.networks import FERNet

MOST_KEPT = 8
"""Networks held in memory at a time: the paper's six and two brought by visitors."""
MOST_KEPT_BYTES = 2_000_000_000
"""What their parameters may take together; the paper's six take 260 MB."""


@dataclass(eq=False)
class _Place:
    """Where one folder's network is loaded, held and lent."""

    stamp: str = ""
    """Of the files that `net` came from; empty before the first load."""
    net: FERNet | None = None
    bytes: int = 0
    """Of its parameters and buffers."""
    bundled: bool = False
    lock: Lock = field(default_factory=Lock)
    """Held by whoever loads the network or uses it."""


AT_ONCE = 2
"""Explanations computed at a time in all rooms: more would share the same cores, and each takes
up to a few hundred megabytes."""

_at_work = BoundedSemaphore(AT_ONCE)
_mine = local()

_kept: OrderedDict[Path, _Place] = OrderedDict()
"""The least recently used first."""
_table = Lock()
"""Held to look at or change `_kept`, never while a network is loaded or used."""


@contextmanager
def computing() -> Iterator[None]:
    """Wait for one of AT_ONCE places for long computations; a thread that has one goes on."""
    if getattr(_mine, "has_place", False):
        yield
        return
    with _at_work:
        _mine.has_place = True
        try:
            yield
        finally:
            _mine.has_place = False


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

    A network is shared by all visitors, and explainers hang hooks on its modules: hence a lock for
    each. Others are lent meanwhile, also while this one loads.

    Args:
        name: a bundled checkpoint's name, or a folder.

    Raises:
        CheckpointError: missing, altered, or weights that do not fit the config.
    """
    folder = shelf.find(name)
    with _table:
        place = _kept.setdefault(folder, _Place(bundled=folder.parent == shelf.checkpoints_dir()))
        _kept.move_to_end(folder)
    with place.lock:
        try:
            net = _current(place, folder)
        except BaseException:
            _forget(folder, place)
            raise
        _make_room(folder, place)
        yield net


def _forget(folder: Path, place: _Place) -> None:
    with _table:
        if _kept.get(folder) is place:
            del _kept[folder]


def _current(place: _Place, folder: Path) -> FERNet:
    """Return a place's network, loaded if there is none yet or its files have changed."""
    now = _stamp_of(folder)
    if place.net is None or place.stamp != now:
        from fermodels.nets import checkpoint

        place.net, place.stamp, place.bytes = None, "", 0
        net = checkpoint.load(folder)
        held = sum(t.numel() * t.element_size() for t in net.state_dict().values())
        place.net, place.stamp, place.bytes = net, now, held
    return place.net


def _make_room(folder: Path, place: _Place) -> None:
    """Forget networks while too many are kept, or too large: visitors' first, then the oldest.

    Of a visitor's network that alone would push out the others nothing is kept after its use.
    """
    if not place.bundled and place.bytes > MOST_KEPT_BYTES // 2:
        _forget(folder, place)
    with _table:
        others = [other for other in _kept if other != folder]
        for other in sorted(others, key=lambda other: _kept[other].bundled):
            held = sum(kept.bytes for kept in _kept.values())
            if len(_kept) <= MOST_KEPT and held <= MOST_KEPT_BYTES:
                return
            del _kept[other]
