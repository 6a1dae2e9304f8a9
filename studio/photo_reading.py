"""A photo's bytes -> the faces in it and every network's answer; no Gradio, no Streamlit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fermodels.data.emotions import EMOTIONS
from fermodels.data.photo import Face, PhotoLimits, decode_photo, read_photo, whole_picture
from fermodels.nets import shelf
from studio import lending

MAX_BYTES = 10 * 1024 * 1024
LIMITS = PhotoLimits(max_bytes=MAX_BYTES)


@dataclass(frozen=True, eq=False)
class Reading:
    """What was found in a photo."""

    picture: Image.Image
    """The photo upright, RGB."""
    faces: tuple[Face, ...]
    """Faces found, largest first; the whole picture as one if that was asked for."""
    answers: dict[str, NDArray[np.float32]]
    """Network -> probabilities (7,) for the first face; empty without a face or a network."""

    @property
    def face(self) -> Face | None:
        """The face that was classified: the largest."""
        return self.faces[0] if self.faces else None


def read(photo: bytes, whole: bool = False) -> Reading:
    """Find the faces of a photo and ask every bundled network about the largest.

    Args:
        photo: the picture file.
        whole: take the picture's central square for the face instead of looking for one.

    Raises:
        PhotoError: the picture cannot be read.
        CheckpointError: a bundled checkpoint is damaged.
    """
    picture = decode_photo(photo, limits=LIMITS)
    faces = [whole_picture(photo, limits=LIMITS)] if whole else read_photo(photo, limits=LIMITS)
    answers = {name: ask(name, faces[0].image) for name in shelf.available()} if faces else {}
    return Reading(picture, tuple(faces), answers)


def accuracy(name: str) -> tuple[float, int] | None:
    """Return a network's accuracy on its test faces and their number; None if never scored.

    Raises:
        CheckpointError: its metrics cannot be read.
    """
    test = shelf.read_metrics(shelf.find(name)).get("test")
    return (float(test["accuracy"]), int(test["n"])) if test else None


def ask(name: str, face: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a network's probabilities (7,) for a face (48, 48) uint8."""
    with lending.borrowed(name) as net:
        probabilities: NDArray[np.float32] = net.predict(face[None])[0]
    return probabilities


def as_json(reading: Reading) -> dict[str, object]:
    """Return a reading as JSON types: the documented answer of the API's ``/classify``."""
    face = reading.face
    return {
        "faces": len(reading.faces),
        "face": face
        and {"box": list(face.box), "score": face.score, "whole_picture": face.whole_picture},
        "models": {
            name: {
                "expression": EMOTIONS[int(answer.argmax())],
                "probabilities": {
                    emotion: float(p) for emotion, p in zip(EMOTIONS, answer, strict=True)
                },
            }
            for name, answer in reading.answers.items()
        },
    }
