"""Trained networks: loaded once and locked while used, visitors' own; cached results."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from threading import BoundedSemaphore, Lock, local
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.runtime.scriptrunner import get_script_run_ctx

from fermodels.data import emotions
from fermodels.data.dataset import FaceDataset
from fermodels.errors import CheckpointError, DataError
from fermodels.nets import catalog
from studio import public

if TYPE_CHECKING:
    from fermodels.nets.fernet import FERNet

# --- Loaded networks, one thread at a time; shared by the Streamlit rooms and Gradio


MOST_LOADED = 8
"""Networks held in memory at a time: the paper's six and two brought by visitors."""
MOST_LOADED_BYTES = 2_000_000_000
"""What their parameters may take together; the paper's six take 260 MB."""


@dataclass(eq=False)
class _Place:
    """Where one folder's network is loaded and locked."""

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

_loaded: OrderedDict[Path, _Place] = OrderedDict()
"""The least recently used first."""
_table = Lock()
"""Held to look at or change `_loaded`, never while a network is loaded or used."""


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


def stamp_of_checkpoint(name: str | Path) -> str:
    """Return a key that changes when the checkpoint's files do; part of every cache key.

    Raises:
        CheckpointError: there is none of that name.
    """
    return _stamp_of(catalog.find(name))


def _stamp_of(folder: Path) -> str:
    times = [str(p.stat().st_mtime_ns) for p in sorted(folder.iterdir())]
    return ":".join([str(folder), *times])


@contextmanager
def locked_checkpoint(name: str | Path) -> Iterator[FERNet]:
    """Yield a locked network in eval mode, loaded at its first use and again when its files change.

    A network is shared by all visitors, and explainers hang hooks on its modules: hence a lock for
    each. Other networks can be used meanwhile, also while this one loads.

    Args:
        name: a bundled checkpoint's name, or a folder.

    Raises:
        CheckpointError: missing, altered, or weights that do not fit the config.
    """
    folder = catalog.find(name)
    with _table:
        place = _loaded.setdefault(
            folder, _Place(bundled=folder.parent == catalog.checkpoints_dir())
        )
        _loaded.move_to_end(folder)
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
        if _loaded.get(folder) is place:
            del _loaded[folder]


def _current(place: _Place, folder: Path) -> FERNet:
    """Return a place's network, loaded if there is none yet or its files have changed."""
    now = _stamp_of(folder)
    if place.net is None or place.stamp != now:
        from fermodels.nets import checkpoint

        place.net, place.stamp, place.bytes = None, "", 0
        net = checkpoint.load(folder)
        size = sum(t.numel() * t.element_size() for t in net.state_dict().values())
        place.net, place.stamp, place.bytes = net, now, size
    return place.net


def _make_room(folder: Path, place: _Place) -> None:
    """Forget networks while too many are kept, or too large: visitors' first, then the oldest.

    Of a visitor's network that alone would push out the others nothing is kept after its use.
    """
    if not place.bundled and place.bytes > MOST_LOADED_BYTES // 2:
        _forget(folder, place)
    with _table:
        others = [other for other in _loaded if other != folder]
        for other in sorted(others, key=lambda other: _loaded[other].bundled):
            total = sum(other.bytes for other in _loaded.values())
            if len(_loaded) <= MOST_LOADED and total <= MOST_LOADED_BYTES:
                return
            del _loaded[other]


# --- Results cached by a network's files and the content of the other arguments


def content_hash(array: NDArray[Any]) -> str:
    """Return a hex digest of an array's shape, dtype and content; for cache keys."""
    head = f"{array.shape}{array.dtype}".encode()
    return hashlib.blake2b(head + np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()


_faces_hashes: WeakKeyDictionary[FaceDataset, str] = WeakKeyDictionary()


def _hash_of_faces(faces: FaceDataset) -> str:
    """Return a digest of a data set's faces in their order, computed once."""
    if faces not in _faces_hashes:
        _faces_hashes[faces] = f"{faces.content_hash} {content_hash(faces.ids)}"
    return _faces_hashes[faces]


HASHES: dict[str | type[Any], Callable[[Any], Any]] = {
    np.ndarray: content_hash,
    FaceDataset: _hash_of_faces,
}
"""How Streamlit's caches tell large arguments apart (``hash_funcs``)."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def cached_per_weights(
    *,
    max_entries: int,
    copies: bool = False,
    show_spinner: bool | str = False,
    reads: Callable[[str], Path] | None = None,
) -> Callable[
    [Callable[Concatenate[str, Arguments], Result]], Callable[Concatenate[str, Arguments], Result]
]:
    """Return a decorator that caches a function of a network's name.

    A result is computed again when a file of the checkpoint changes (`stamp`) or another argument
    has another content. An argument whose name begins with ``_`` does not count.

    Args:
        max_entries: results kept; the oldest goes first.
        copies: give every caller a copy of his own; else all share one result, to be left as it is.
        show_spinner: text shown while computing; False for none.
        reads: network's name -> a file besides the checkpoint's whose change counts.
    """
    cache = st.cache_data if copies else st.cache_resource

    def decorate(
        body: Callable[Concatenate[str, Arguments], Result],
    ) -> Callable[Concatenate[str, Arguments], Result]:
        @wraps(body)
        def compute(
            key: tuple[str, ...], *args: Arguments.args, **kwargs: Arguments.kwargs
        ) -> Result:
            return body(key[0], *args, **kwargs)

        cached: Any = cache(max_entries=max_entries, show_spinner=show_spinner, hash_funcs=HASHES)(
            compute
        )

        @wraps(body)
        def with_stamp(name: str, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            key = (name, stamp(name)) if reads is None else (name, stamp(name), *_read(reads(name)))
            result: Result = cached(key, *args, **kwargs)
            return result

        return with_stamp

    return decorate


def _read(file: Path) -> tuple[str, str]:
    return str(file), str(file.stat().st_mtime_ns if file.is_file() else None)


FACE_PIXELS = 48 * 48
PROBABILITY_COLUMNS = emotions.PROBABILITY_COLUMNS


def names() -> list[str]:
    """Return the bundled checkpoints' names in the order of VARIANTS; reads no weights."""
    return list(catalog.available())


def choices() -> list[str]:
    """Return every network this visitor can choose: the bundled ones, then his own."""
    return [*names(), *mine()]


def bringing(*files: str) -> list[str]:
    """Return the networks of `choices()` that came with these of `catalog.FILES`."""
    return [name for name in choices() if all(has(name, file) for file in files)]


def usual() -> str:
    """Return the network a room opens with: the bundled one that was best on validation.

    The first of `choices()`, of which there must be one, where no metrics say more.
    """
    return max(names() or choices()[:1], key=_validated)


def _validated(name: str) -> float:
    scores = metrics(name).get("validation", {}) if has(name, catalog.METRICS) else {}
    return float(scores.get("accuracy", 0.0))


def stamp(name: str) -> str:
    """Return a key that changes when the checkpoint's files do; part of every cache key.

    Raises:
        CheckpointError: there is none of that name.
    """
    visitor = mine().get(name)
    return stamp_of_checkpoint(name) if visitor is None else stamp_of_visitor_network(visitor)


@contextmanager
def locked_network(name: str) -> Iterator[FERNet]:
    """Yield a network in eval mode, locked for one thread at a time.

    Args:
        name: one of `choices()`.

    Raises:
        CheckpointError: missing, altered, or weights that do not fit the config.
    """
    visitor = mine().get(name)
    with locked_checkpoint(name) if visitor is None else locked_visitor_network(visitor) as net:
        yield net


def shared(name: str) -> FERNet:
    """Return the network that everybody uses, for what works on a copy of its own by itself.

    `fermodels.explain` does, one question to a network at a time, and keeps with the network what
    it made of the weights; nobody else waits meanwhile.
    """
    with locked_network(name) as net:
        return net


def own_copy(name: str) -> FERNet:
    """Return a copy that shares the weights, so that long computations keep nobody waiting."""
    from fermodels.xai.counterfactuals.response_curves import fernet_copy

    with locked_network(name) as net:
        return fernet_copy(net)


def address(name: str) -> str:
    """Return what `fermodels.load` takes to load the same network elsewhere."""
    visitor = mine().get(name)
    if visitor is None:
        return name
    return "FOLDER-OF-YOUR-TWO-FILES" if visitor.folder is None else visitor.source


@cached_per_weights(max_entries=16)
def weights_hash(name: str) -> str:
    """Return the SHA-256 of a bundled checkpoint's weights, which computed results name."""
    return catalog.weights_hash(catalog.find(name))


def has(name: str, file: str) -> bool:
    """Return whether a checkpoint came with one of `catalog.FILES` besides weights and config."""
    visitor = mine().get(name)
    if visitor is not None and visitor.folder is None:
        return False
    return (_folder(name) / file).is_file()


def _folder(name: str) -> Path:
    visitor = mine().get(name)
    if visitor is None:
        return catalog.find(name)
    if visitor.folder is None:
        raise CheckpointError(
            f"{name} was uploaded as weights and config alone: give its whole folder instead"
        )
    return visitor.folder


@cached_per_weights(max_entries=32, copies=True)
def metrics(name: str) -> dict[str, Any]:
    """Return a checkpoint's figures and provenance (``metrics.json``)."""
    return catalog.read_metrics(_folder(name))


@cached_per_weights(max_entries=16)
def history(name: str) -> catalog.History:
    """Return a checkpoint's training history: steps and epochs."""
    return catalog.read_history(_folder(name))


@cached_per_weights(max_entries=16)
def predictions(name: str) -> pd.DataFrame:
    """Return split, sample_id, label and p_angry .. p_neutral per validation and test face.

    The table is shared by all visitors: copy it before changing it.
    """
    return catalog.read_predictions(_folder(name))


@cached_per_weights(max_entries=16)
def predictions_hash(name: str) -> str:
    """Return `catalog.predictions_hash` of a checkpoint's stored predictions."""
    return catalog.predictions_hash(predictions(name))


def probabilities(name: str, faces: NDArray[np.uint8] | bytes) -> NDArray[np.float32]:
    """Return a model's probabilities, cached by model and face content.

    Args:
        name: one of `choices()`.
        faces: uint8 ``(48, 48)`` or ``(N, 48, 48)``, or the 2304 bytes of one face.

    Returns:
        float32 ``(7,)`` for one face, ``(N, 7)`` for N; rows sum to 1.

    Raises:
        DataError: not faces of 48x48 uint8 pixels.
    """
    if isinstance(faces, bytes):
        if len(faces) != FACE_PIXELS:
            raise DataError(f"a face of {len(faces)} bytes: expected {FACE_PIXELS} (48x48)")
        faces = np.frombuffer(faces, dtype=np.uint8).reshape(48, 48)
    one = faces.ndim == 2
    batch = np.ascontiguousarray(faces[None] if one else faces)
    values = _probabilities(name, batch)
    return values[0] if one else values


@cached_per_weights(max_entries=4096, copies=True)
def _probabilities(name: str, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    with locked_network(name) as net:
        return np.asarray(net.predict(faces), np.float32)


# --- Networks a visitor brings (a folder, the Hub, two uploaded files), known in that session only


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
    catalog.METRICS: catalog.read_metrics,
    catalog.HISTORY: catalog.read_history,
    catalog.PREDICTIONS: catalog.read_predictions,
}
"""Record -> what reads it."""


@dataclass(frozen=True, eq=False)
class VisitorNetwork:
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


_uploads: WeakSet[VisitorNetwork] = WeakSet()
"""Every upload alive, counted to bound memory; a session's end lets its own go."""
_counting = Lock()


def mine() -> dict[str, VisitorNetwork]:
    """Return this visitor's networks by name; none outside a session."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return {}
    visitors: dict[str, VisitorNetwork] = st.session_state.setdefault("visitor-networks", {})
    return visitors


def stamp_of_visitor_network(visitor: VisitorNetwork) -> str:
    """Return a key that changes when the files of a visitor's network do."""
    return visitor.stamp if visitor.folder is None else stamp_of_checkpoint(visitor.folder)


@contextmanager
def locked_visitor_network(visitor: VisitorNetwork) -> Iterator[FERNet]:
    """Yield a visitor's network, locked for one thread at a time."""
    if visitor.net is not None:
        with visitor.lock:
            yield visitor.net
        return
    with locked_checkpoint(visitor.folder or visitor.source) as net:
        yield net


def invite(source: str) -> VisitorNetwork:
    """Add a checkpoint from a folder or ``hub:owner/name`` to this session, loaded strictly.

    Raises:
        CheckpointError: no checkpoint there, or one that is altered, does not fit or has odd
            records; or the studio is public.
        HubError: the Hub refused or could not be reached.
    """
    if public.is_public():  # a stranger's name would be fetched with the owner's token, and kept
        raise CheckpointError(FETCHES_NOTHING)
    if source.startswith(HUB):
        from fermodels.hub import pull

        folder = pull(source.removeprefix(HUB))
        title = source.rpartition("/")[2]
    else:
        folder = catalog.find(source)
        title = folder.resolve().name
    with locked_checkpoint(folder):  # anything amiss is said now, not in a room
        pass
    for file, read in RECORDS.items():
        if (folder / file).is_file():
            read(folder)
    return _welcome(VisitorNetwork(_free_name(title), source, folder, ""))


def invite_upload(config: bytes, weights: bytes) -> VisitorNetwork:
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
    visitor = VisitorNetwork(
        _free_name(str(identity.get("name", "uploaded"))), "upload", None, digest, net
    )
    with _counting:
        total = sum(other.bytes for other in _uploads)
        if total + visitor.bytes > MOST_BYTES:
            raise CheckpointError(
                f"visitors' networks already take {total / 1e6:.0f} MB of {MOST_BYTES / 1e6:.0f}: "
                "try again later, or run the studio on your own machine"
            )
        _uploads.add(visitor)
    return _welcome(visitor)


def dismiss(name: str) -> None:
    """Remove a visitor's network."""
    mine().pop(name, None)


def _welcome(visitor: VisitorNetwork) -> VisitorNetwork:
    visitors = mine()
    if len(visitors) >= MOST_PER_SESSION:
        visitors.pop(next(iter(visitors)))  # the one brought first makes room
    visitors[visitor.name] = visitor
    return visitor


def _free_name(title: str) -> str:
    """Return a name no other network of this session has: a file's words, but harmless."""
    stem = re.sub(r"[^\w.-]+", "-", title, flags=re.ASCII).strip("-.")[:40] or "network"
    taken, number = mine(), 1
    while (name := f"{stem}{f'-{number}' if number > 1 else ''}{SUFFIX}") in taken:
        number += 1
    return name
