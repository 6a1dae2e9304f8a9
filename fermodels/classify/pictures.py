"""Faces of pictures and films, found and answered in batches: rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from fermodels.classify import table
from fermodels.classify.sources import Source, SourceFrame
from fermodels.classify.table import Row
from fermodels.data.emotions import EMOTIONS, PROBABILITY_COLUMNS
from fermodels.data.photos.crop import Face, faces_of, whole_face
from fermodels.errors import ConfigError, FerError
from fermodels.nets import catalog

if TYPE_CHECKING:
    from fermodels.nets.fernet import FERNet

CHUNK = 32
"""Files read before the networks are asked about all of their faces at once."""


@dataclass(frozen=True)
class Settings:
    """What to ask of every picture."""

    models: tuple[str, ...] = field(default=(), metadata={"flag": "--model", "metavar": "NAME"})
    """Networks: bundled names, folders or ``hub:owner/repo``; empty asks every bundled one."""

    all_faces: bool = False
    """Answer for every face, largest first; otherwise for the largest alone."""

    whole_picture: bool = False
    """Take each picture's central square for the face instead of looking for one."""

    every: float = field(default=1.0, metadata={"metavar": "SECONDS"})
    """Seconds between the frames taken from a video; 0 takes all."""

    def __post_init__(self) -> None:
        if not 0 <= self.every <= 86_400:
            raise ConfigError(f"every is {self.every}: give 0 to 86400 seconds")

    def resolved(self) -> Settings:
        """Return the settings with the networks named.

        Raises:
            ConfigError: there is no network to ask.
        """
        models = tuple(dict.fromkeys(self.models or catalog.available()))
        if not models:
            raise ConfigError("there is no trained network: run python -m train.run, or give one")
        return Settings(models, self.all_faces, self.whole_picture, self.every)


@dataclass(frozen=True, eq=False)
class SearchedPicture:
    """What was found in one picture or frame."""

    file: str
    time: float | None
    """Seconds from a video's start; None for a picture."""

    faces: tuple[Face, ...]
    """The faces to classify, largest first."""

    error: str | None = None
    """Why the file could not be read, in a sentence."""


def find_faces(source: Source, settings: Settings) -> list[SearchedPicture]:
    """Return the faces of a file, frame by frame; a file that cannot be read tells its error."""
    return list(_searched(source, settings))


def _searched(source: Source, settings: Settings) -> Iterator[SearchedPicture]:
    try:
        for frame in source.frames():
            yield SearchedPicture(source.name, frame.time, _faces(frame, settings))
    except FerError as error:
        yield SearchedPicture(source.name, None, (), str(error))


def _faces(frame: SourceFrame, settings: Settings) -> tuple[Face, ...]:
    if settings.whole_picture:
        return (whole_face(frame.picture, frame.size),)
    faces = tuple(faces_of(frame.picture, frame.size))
    return faces if settings.all_faces else faces[:1]


def predict_rows(searched: Iterable[SearchedPicture], nets: Mapping[str, FERNet]) -> list[Row]:
    """Return one row per face and network, and one row for a picture that shows no face."""
    pictures = list(searched)
    crops = [face.image for picture in pictures for face in picture.faces]
    probabilities = (
        {name: net.predict(np.stack(crops)) for name, net in nets.items()} if crops else {}
    )
    rows: list[Row] = []
    number = 0
    for picture in pictures:
        empty = _row(picture)
        if not picture.faces:
            rows.append(empty)
        for index, face in enumerate(picture.faces):
            placed = empty | _place(index, face)
            rows += [placed | _prediction(name, p[number]) for name, p in probabilities.items()]
            number += 1
    return rows


def _row(picture: SearchedPicture) -> Row:
    empty: Row = dict.fromkeys(table.COLUMNS)
    return empty | {"file": picture.file, "frame_time": picture.time, "error": picture.error}


def _place(index: int, face: Face) -> Row:
    left, top, right, bottom = face.box
    return {
        "face": index, "left": left, "top": top, "right": right, "bottom": bottom,
        "score": float(face.score),
    }  # fmt: skip


def _prediction(name: str, probabilities: np.ndarray) -> Row:
    row: Row = {"model": name, "prediction": EMOTIONS[int(probabilities.argmax())]}
    return row | dict(zip(PROBABILITY_COLUMNS, map(float, probabilities), strict=True))


@lru_cache(maxsize=8)
def network(name: str) -> FERNet:
    """Return a trained network, loaded once a process.

    Raises:
        CheckpointError: missing, altered, or weights that do not fit the config.
        HubError: the Hub refused or could not be reached.
    """
    from fermodels.nets import checkpoint

    return checkpoint.load(name)


def rows_of(sources: Iterable[Source], settings: Settings, workers: int = 1) -> Iterator[list[Row]]:
    """Yield the rows of some files at a time, in order.

    Args:
        sources: see `fermodels.classify.sources.find`.
        settings: with the networks named, see `Settings.resolved`.
        workers: threads that decode and look for faces; the networks are asked by one.

    Raises:
        FerError: a network cannot be loaded; files that cannot be read only get an error row.
    """
    nets = {name: network(name) for name in settings.models}
    waiting = iter(sources)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        while chunk := list(islice(waiting, CHUNK)):
            searched = pool.map(lambda source: find_faces(source, settings), chunk)
            yield predict_rows([one for many in searched for one in many], nets)
