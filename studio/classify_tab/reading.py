"""A photo's bytes -> the faces in it and the networks' predictions; no Gradio, no Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fermodels.classify.pictures import SearchedPicture, Settings, find_faces, predict_rows
from fermodels.classify.sources import Source, photo_frames
from fermodels.classify.table import Row
from fermodels.data.emotions import EMOTIONS
from fermodels.data.photos.crop import Face, faces_of, whole_face
from fermodels.data.photos.decode import PhotoLimits, opened_photo
from fermodels.errors import CheckpointError, ConfigError
from fermodels.evaluation.calibration import FITTED_ON, at_temperature, leaning, read_temperature
from fermodels.nets import catalog
from studio import networks as studio_networks

MAX_BYTES = 10 * 1024 * 1024
LIMITS = PhotoLimits(max_bytes=MAX_BYTES)
MAX_PHOTOS = 50
"""Photos taken in one go; for more there is ``python -m fermodels.classify``."""

SHOWN_SIDE = 720
"""Longest side of the photo as shown, in pixels."""

ALL = "all"
"""Stands for every bundled network."""


@dataclass(frozen=True, eq=False)
class Reading:
    """The faces of a photo and what the networks predict."""

    picture: Image.Image
    """The photo upright, RGB, at most SHOWN_SIDE a side."""
    size: tuple[int, int]
    """Width and height of the photo itself, in whose pixels faces have their boxes."""
    faces: tuple[Face, ...]
    """Faces found, largest first; the whole picture as one if that was asked for."""
    probabilities: dict[str, NDArray[np.float32]]
    """Network -> probabilities (F, 7), one row per face; empty without a face or a network."""

    @property
    def face(self) -> Face | None:
        """The largest face."""
        return self.faces[0] if self.faces else None


def networks(model: str = ALL) -> list[str]:
    """Return the networks that a choice names; names only, never a path.

    Raises:
        CheckpointError: no bundled network of that name.
    """
    bundled = list(catalog.available())
    if model == ALL:
        return bundled
    if model not in bundled:
        raise CheckpointError(
            f"no network {str(model)[:80]!r}: there are {', '.join(bundled) or 'none'}; "
            f"name one, or {ALL!r}"
        )
    return [model]


def read(photo: bytes, whole: bool = False, model: str = ALL) -> Reading:
    """Find the faces of a photo and ask networks about each.

    Args:
        photo: the picture file.
        whole: take the picture's central square for the face instead of looking for one.
        model: a bundled network's name, or `ALL`.

    Raises:
        PhotoError: the picture cannot be read.
        CheckpointError: no such network, or it is damaged.
    """
    names = networks(model)
    with opened_photo(photo, limits=LIMITS) as opened:
        picture, size = opened.picture, opened.size
        faces = (whole_face(picture, size),) if whole else tuple(faces_of(picture, size))
        picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.BICUBIC)
    crops = [face.image for face in faces]
    probabilities = {name: predict(name, np.stack(crops)) for name in names} if crops else {}
    return Reading(picture, size, faces, probabilities)


def read_many(
    photos: Sequence[tuple[str, bytes]], model: str = ALL, all_faces: bool = False
) -> list[Row]:
    """Return one row per face and network of many photos; see `fermodels.classify.table`.

    A photo that cannot be read gets a row with its error. One that is given several times is looked
    at once.

    Args:
        photos: names and bytes.
        model: a bundled network's name, or `ALL`.
        all_faces: not the largest face alone.

    Raises:
        ConfigError: no photo, or more than MAX_PHOTOS.
        CheckpointError: no such network, or it is damaged.
    """
    check_count(len(photos))
    names = networks(model)
    settings = Settings(tuple(names), all_faces)
    looks: dict[bytes, list[SearchedPicture]] = {}
    for name, data in photos:
        if data not in looks:
            looks[data] = find_faces(_source(name, data), settings)
    pictures = [replace(one, file=name) for name, data in photos for one in looks[data]]
    with ExitStack() as stack:
        return predict_rows(
            pictures, {n: stack.enter_context(studio_networks.locked_checkpoint(n)) for n in names}
        )


def check_count(photos: int) -> None:
    """See that photos are neither none nor too many.

    Raises:
        ConfigError: they are.
    """
    if not 1 <= photos <= MAX_PHOTOS:
        raise ConfigError(
            f"{photos} photos were given: send 1 to {MAX_PHOTOS}, or run python -m "
            "fermodels.classify on a folder"
        )


def _source(name: str, data: bytes) -> Source:
    return Source(name, lambda: photo_frames(data, LIMITS))


def accuracy(name: str) -> tuple[float, int] | None:
    """Return a network's accuracy on its test faces and their number; None if never scored.

    Raises:
        CheckpointError: its metrics cannot be read.
    """
    test = catalog.read_metrics(catalog.find(name)).get("test")
    return (float(test["accuracy"]), int(test["n"])) if test else None


def temperature(name: str) -> float | None:
    """Return the temperature that a network is used at; None if it has none that helps.

    Raises:
        CheckpointError: its metrics cannot be read.
    """
    return read_temperature(catalog.find(name))


def calibration(name: str) -> str:
    """Return in words what stands behind a network's percentages.

    Raises:
        CheckpointError: its metrics cannot be read.
    """
    heat = temperature(name)
    if heat is not None:
        return f"calibrated, temperature {heat:.2f}"
    fitted = catalog.read_metrics(catalog.find(name)).get("calibration")
    return "uncalibrated" if fitted is None else "its own percentages: no temperature helped"


def calibration_line(name: str) -> str:
    """Return which way a network's percentages err on validation faces, as they are shown here.

    Empty where its record does not say: it was never calibrated, or by an earlier version.

    Raises:
        CheckpointError: its metrics cannot be read.
    """
    record = catalog.read_metrics(catalog.find(name)).get("calibration") or {}
    measured = record.get(FITTED_ON, {})
    when = "before" if temperature(name) is None else "after"
    return leaning(measured, when) if f"gap_{when}" in measured else ""


def confidence(name: str, probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return probabilities (F, 7) as they may be believed: at the network's temperature, if any.

    Raises:
        CheckpointError: its metrics cannot be read.
    """
    fitted = temperature(name)
    return (
        probabilities.astype(np.float64)
        if fitted is None
        else at_temperature(probabilities, fitted)
    )


def predict(name: str, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a network's probabilities (F, 7) for faces (F, 48, 48) uint8."""
    with studio_networks.locked_checkpoint(name) as net:
        probabilities: NDArray[np.float32] = net.predict(faces)
    return probabilities


def as_json(reading: Reading) -> dict[str, object]:
    """Return a reading as JSON types: the documented answer of the API's ``/classify``."""
    calibrated = {name: confidence(name, values) for name, values in reading.probabilities.items()}
    heat = {name: temperature(name) for name in reading.probabilities}
    return {
        "faces": [
            _place(face)
            | {
                "models": {
                    name: _prediction_json(values[number], calibrated[name][number], heat[name])
                    for name, values in reading.probabilities.items()
                }
            }
            for number, face in enumerate(reading.faces)
        ]
    }


def _place(face: Face) -> dict[str, object]:
    return {
        "box": list(face.box),
        "score": face.score,
        "angle": face.angle,
        "whole_picture": face.whole_picture,
    }


def _prediction_json(
    own: NDArray[np.float32], calibrated: NDArray[np.float64], heat: float | None
) -> dict[str, object]:
    return {
        "expression": EMOTIONS[int(own.argmax())],
        "confidence": float(calibrated.max()),
        "temperature": heat,
        "probabilities": {e: float(p) for e, p in zip(EMOTIONS, own, strict=True)},
        "calibrated": None
        if heat is None
        else {e: float(p) for e, p in zip(EMOTIONS, calibrated, strict=True)},
    }
