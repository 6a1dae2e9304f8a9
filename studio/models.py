"""Trained networks, lent one user at a time, and what they say, cached by content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from fermodels.errors import CheckpointError, DataError
from fermodels.nets import shelf
from studio import guests, lending

if TYPE_CHECKING:
    from fermodels.nets.networks import FERNet

FACE_PIXELS = 48 * 48
PROBABILITY_COLUMNS = shelf.PROBABILITY_COLUMNS


def names() -> list[str]:
    """Return the bundled checkpoints' names in the order of VARIANTS; reads no weights."""
    return list(shelf.available())


def choices() -> list[str]:
    """Return every network this visitor can choose: the bundled ones, then his own."""
    return [*names(), *guests.mine()]


def bringing(*files: str) -> list[str]:
    """Return the networks of `choices()` that came with these of `shelf.FILES`."""
    return [name for name in choices() if all(has(name, file) for file in files)]


def usual() -> str:
    """Return the network a room opens with: the bundled one that was best on validation.

    The first of `choices()`, of which there must be one, where no metrics say more.
    """
    return max(names() or choices()[:1], key=_validated)


def _validated(name: str) -> float:
    scores = metrics(name).get("validation", {}) if has(name, shelf.METRICS) else {}
    return float(scores.get("accuracy", 0.0))


def stamp(name: str) -> str:
    """Return a key that changes when the checkpoint's files do; part of every cache key.

    Raises:
        CheckpointError: there is none of that name.
    """
    guest = guests.mine().get(name)
    return lending.stamp(name) if guest is None else guests.stamp(guest)


@contextmanager
def borrowed(name: str) -> Iterator[FERNet]:
    """Lend a network, in eval mode, to one thread at a time.

    Args:
        name: one of `choices()`.

    Raises:
        CheckpointError: missing, altered, or weights that do not fit the config.
    """
    guest = guests.mine().get(name)
    with lending.borrowed(name) if guest is None else guests.borrowed(guest) as net:
        yield net


def shared(name: str) -> FERNet:
    """Return the network that everybody uses, for what works on a copy of its own by itself.

    `fermodels.explain` does, one question to a network at a time, and keeps with the network what
    it made of the weights; nobody else waits meanwhile.
    """
    with borrowed(name) as net:
        return net


def own_copy(name: str) -> FERNet:
    """Return a twin that shares the weights, so that long questions keep nobody waiting."""
    from fermodels.explain.puppet import private

    with borrowed(name) as net:
        return private(net)


def address(name: str) -> str:
    """Return what `fermodels.load` takes to load the same network elsewhere."""
    guest = guests.mine().get(name)
    if guest is None:
        return name
    return "FOLDER-OF-YOUR-TWO-FILES" if guest.folder is None else guest.source


def weights_hash(name: str) -> str:
    """Return the SHA-256 of a bundled checkpoint's weights: what a computed result is held to."""
    return _weights_hash(name, stamp(name))


@st.cache_data(max_entries=16, show_spinner=False)
def _weights_hash(name: str, stamp: str) -> str:
    return shelf.weights_hash(shelf.find(name))


def has(name: str, file: str) -> bool:
    """Return whether a checkpoint came with one of `shelf.FILES` besides weights and config."""
    guest = guests.mine().get(name)
    if guest is not None and guest.folder is None:
        return False
    return (_folder(name) / file).is_file()


def _folder(name: str) -> Path:
    guest = guests.mine().get(name)
    if guest is None:
        return shelf.find(name)
    if guest.folder is None:
        raise CheckpointError(
            f"{name} was uploaded as weights and config alone: give its whole folder instead"
        )
    return guest.folder


def metrics(name: str) -> dict[str, Any]:
    """Return a checkpoint's figures and provenance (``metrics.json``)."""
    return _metrics(name, stamp(name))


@st.cache_data(max_entries=32, show_spinner=False)
def _metrics(name: str, stamp: str) -> dict[str, Any]:
    return shelf.read_metrics(_folder(name))


def history(name: str) -> shelf.History:
    """Return a checkpoint's training history: steps and epochs."""
    return _history(name, stamp(name))


@st.cache_resource(max_entries=16, show_spinner=False)
def _history(name: str, stamp: str) -> shelf.History:
    return shelf.read_history(_folder(name))


def predictions(name: str) -> pd.DataFrame:
    """Return split, sample_id, label and p_angry .. p_neutral per validation and test face.

    The table is shared by all visitors: copy it before changing it.
    """
    return _predictions(name, stamp(name))


@st.cache_resource(max_entries=16, show_spinner=False)
def _predictions(name: str, stamp: str) -> pd.DataFrame:
    return shelf.read_predictions(_folder(name))


def answers_hash(name: str) -> str:
    """Return `shelf.answers_hash` of what a checkpoint said, worked out once."""
    return _answers_hash(name, stamp(name))


@st.cache_data(max_entries=16, show_spinner=False)
def _answers_hash(name: str, stamp: str) -> str:
    return shelf.answers_hash(predictions(name))


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
    found = _probabilities(name, stamp(name), content_hash(batch), batch)
    return found[0] if one else found


@st.cache_data(max_entries=4096, show_spinner=False)
def _probabilities(
    name: str, stamp: str, key: str, _faces: NDArray[np.uint8]
) -> NDArray[np.float32]:
    with borrowed(name) as net:
        found: NDArray[np.float32] = net.predict(_faces)
    return found


def content_hash(array: NDArray[Any]) -> str:
    """Return a hex digest of an array's shape, dtype and content; for cache keys."""
    head = f"{array.shape}{array.dtype}".encode()
    return hashlib.blake2b(head + np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()
