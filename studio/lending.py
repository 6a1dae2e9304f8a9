"""Loaded networks, lent to one thread at a time; shared by the Streamlit rooms and Gradio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from fermodels.nets import shelf

if TYPE_CHECKING:
    from fermodels.nets.networks import FERNet


@dataclass
class _Kept:
    """A loaded network and the stamp of the files it came from."""

    stamp: str
    net: FERNet
    lock: Lock = field(default_factory=Lock)


_kept: dict[str, _Kept] = {}
_loading = Lock()


def stamp(name: str) -> str:
    """Return a key that changes when the checkpoint's files do; part of every cache key.

    Raises:
        CheckpointError: there is none of that name.
    """
    folder = shelf.find(name)
    return ":".join(str(p.stat().st_mtime_ns) for p in sorted(folder.iterdir()))


@contextmanager
def borrowed(name: str) -> Iterator[FERNet]:
    """Lend a network, in eval mode, loaded at its first use and again when its files change.

    A network is shared by all visitors, and explainers hang hooks on its modules: hence the lock.

    Args:
        name: a bundled checkpoint's name.

    Raises:
        CheckpointError: missing, altered, or weights that do not fit the config.
    """
    now = stamp(name)
    with _loading:
        if name not in _kept or _kept[name].stamp != now:
            from fermodels.nets import checkpoint

            _kept[name] = _Kept(now, checkpoint.load(shelf.find(name)))
        kept = _kept[name]
    with kept.lock:
        yield kept.net
