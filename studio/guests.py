"""Networks a visitor brings (a folder, the Hub, two uploaded files), known in that session only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakSet

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from fermodels.errors import CheckpointError
from fermodels.nets import shelf
from studio import lending, public

if TYPE_CHECKING:
    from fermodels.nets.networks import FERNet

HUB = "hub:"
SUFFIX = " (yours)"
MOST_PER_SESSION = 3
MOST_BYTES = 400_000_000
"""Uploaded weights that all visitors together may hold in memory; more is refused."""

MOST_VALUES, MOST_MULTIPLY_ADDS = 3_000_000, 2_000_000_000
"""What one face may take in a network uploaded to a public studio: three and four times deep-6's,
so that an explanation's batch stays under a gigabyte."""
FETCHES_NOTHING = (
    "this studio is public and fetches nothing that a visitor names: upload the checkpoint's two "
    "files, or run the studio on your own machine"
)
RECORDS: dict[str, Callable[[Path], object]] = {
    shelf.METRICS: shelf.read_metrics,
    shelf.HISTORY: shelf.read_history,
    shelf.PREDICTIONS: shelf.read_predictions,
}
"""Record -> what reads it."""


@dataclass(frozen=True, eq=False)
class Guest:
    """A network that one visitor brought."""

    name: str
    """As pickers show it; ends in SUFFIX."""
    source: str
    """What `fermodels.load` takes, or ``upload`` for weights that live in this session only."""
    folder: Path | None
    """Where its files are; None for an upload."""
    stamp: str
    """Of an upload, the hash of its two files; part of every cache key."""
    net: FERNet | None = None
    """An upload's network."""
    lock: Lock = field(default_factory=Lock)
    """Held by whoever uses an upload's network."""

    @property
    def bytes(self) -> int:
        """Memory that this session alone answers for."""
        parameters = () if self.net is None else self.net.state_dict().values()
        return sum(tensor.numel() * tensor.element_size() for tensor in parameters)


_uploads: WeakSet[Guest] = WeakSet()
"""Every upload alive, counted to bound memory; a session's end lets its own go."""
_counting = Lock()


def mine() -> dict[str, Guest]:
    """Return this session's guests by name; none outside a session."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return {}
    found: dict[str, Guest] = st.session_state.setdefault("guests", {})
    return found


def stamp(guest: Guest) -> str:
    """Return a key that changes when the guest's files do."""
    return guest.stamp if guest.folder is None else lending.stamp(guest.folder)


@contextmanager
def borrowed(guest: Guest) -> Iterator[FERNet]:
    """Lend a guest's network, one thread at a time."""
    if guest.net is not None:
        with guest.lock:
            yield guest.net
        return
    with lending.borrowed(guest.folder or guest.source) as net:
        yield net


def invite(source: str) -> Guest:
    """Add a checkpoint from a folder or ``hub:owner/name`` to this session, loaded strictly.

    Raises:
        CheckpointError: no checkpoint there, or one that is altered, does not fit or has odd
            records; or the studio is public.
        HubError: the Hub refused or could not be reached.
    """
    if public.is_public():  # a stranger's name would be fetched with the owner's token, and kept
        raise CheckpointError(FETCHES_NOTHING)
    if source.startswith(HUB):
        from fermodels.nets.hub import pull

        folder = pull(source.removeprefix(HUB))
        title = source.rpartition("/")[2]
    else:
        folder = shelf.find(source)
        title = folder.resolve().name
    with lending.borrowed(folder):  # anything amiss is said now, not in a room
        pass
    for file, read in RECORDS.items():
        if (folder / file).is_file():
            read(folder)
    return _welcome(Guest(_free_name(title), source, folder, ""))


def invite_upload(config: bytes, weights: bytes) -> Guest:
    """Add an uploaded checkpoint to this session; it stays in memory and is not written to disk.

    Raises:
        CheckpointError: the files do not fit each other, or visitors hold too much already.
    """
    from fermodels.nets.checkpoint import load_uploaded

    identity, net = load_uploaded(config, weights)
    values, multiply_adds = net.config.cost
    if public.is_public() and (values > MOST_VALUES or multiply_adds > MOST_MULTIPLY_ADDS):
        raise CheckpointError(
            f"one face takes {values:,} values and {multiply_adds:,} multiply-adds in this "
            f"network: a public studio runs at most {MOST_VALUES:,} and {MOST_MULTIPLY_ADDS:,}; "
            "run the studio on your own machine"
        )
    digest = hashlib.blake2b(config + weights, digest_size=16).hexdigest()
    guest = Guest(_free_name(str(identity.get("name", "uploaded"))), "upload", None, digest, net)
    with _counting:
        held = sum(other.bytes for other in _uploads)
        if held + guest.bytes > MOST_BYTES:
            raise CheckpointError(
                f"visitors' networks already take {held / 1e6:.0f} MB of {MOST_BYTES / 1e6:.0f}: "
                "try again later, or run the studio on your own machine"
            )
        _uploads.add(guest)
    return _welcome(guest)


def dismiss(name: str) -> None:
    """Let a guest go."""
    mine().pop(name, None)


def _welcome(guest: Guest) -> Guest:
    here = mine()
    if len(here) >= MOST_PER_SESSION:
        here.pop(next(iter(here)))  # the one brought first makes room
    here[guest.name] = guest
    return guest


def _free_name(title: str) -> str:
    """Return a name no other network of this session has: a file's words, but harmless."""
    stem = re.sub(r"[^\w.-]+", "-", title, flags=re.ASCII).strip("-.")[:40] or "network"
    taken, number = mine(), 1
    while (name := f"{stem}{f'-{number}' if number > 1 else ''}{SUFFIX}") in taken:
        number += 1
    return name
