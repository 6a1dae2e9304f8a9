"""Classify many pictures and videos: ``python -m fermodels.classify PATH... --out faces.csv``.

A file that cannot be read gets a row that says why, and the others go on; the exit status is then
1. ``--resume`` skips what the results hold already. For tables of pictures, and for more than one
machine: `fermodels.classify_shards`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fermodels import classify_sources, classify_table
from fermodels.classify_journal import Journal
from fermodels.classify_sources import Frame, Source
from fermodels.classify_table import PROBABILITIES, Row
from fermodels.data.emotions import EMOTIONS
from fermodels.data.photo import Face, faces_of, whole_face
from fermodels.errors import ConfigError, FerError
from fermodels.nets import shelf

if TYPE_CHECKING:
    from fermodels.nets.networks import FERNet

CHUNK = 32
"""Files read before the networks are asked about all of their faces at once."""


@dataclass(frozen=True)
class Settings:
    """What to ask of every picture."""

    models: tuple[str, ...] = ()
    """Networks: bundled names, folders or ``hub:owner/repo``; empty asks every bundled one."""

    all_faces: bool = False
    """Answer for every face, largest first; otherwise for the largest alone."""

    whole_picture: bool = False
    """Take each picture's central square for the face instead of looking for one."""

    every: float = 1.0
    """Seconds between the frames taken from a video; 0 takes all."""

    def __post_init__(self) -> None:
        if not 0 <= self.every <= 86_400:
            raise ConfigError(f"every is {self.every}: give 0 to 86400 seconds")

    def resolved(self) -> Settings:
        """Return the settings with the networks named.

        Raises:
            ConfigError: there is no network to ask.
        """
        models = tuple(dict.fromkeys(self.models or shelf.available()))
        if not models:
            raise ConfigError("there is no trained network: run python -m train.run, or give one")
        return Settings(models, self.all_faces, self.whole_picture, self.every)


@dataclass(frozen=True, eq=False)
class Seen:
    """What was found in one picture or frame."""

    file: str
    time: float | None
    """Seconds from a video's start; None for a picture."""

    faces: tuple[Face, ...]
    """The faces to classify, largest first."""

    error: str | None = None
    """Why the file could not be read, in a sentence."""


def look(source: Source, settings: Settings) -> list[Seen]:
    """Return the faces of a file, frame by frame; a file that cannot be read tells its error."""
    return list(_look(source, settings))


def _look(source: Source, settings: Settings) -> Iterator[Seen]:
    try:
        for frame in source.frames():
            yield Seen(source.name, frame.time, _faces(frame, settings))
    except FerError as error:
        yield Seen(source.name, None, (), str(error))


def _faces(frame: Frame, settings: Settings) -> tuple[Face, ...]:
    if settings.whole_picture:
        return (whole_face(frame.picture, frame.size),)
    found = tuple(faces_of(frame.picture, frame.size))
    return found if settings.all_faces else found[:1]


def answer(seen: Iterable[Seen], nets: Mapping[str, FERNet]) -> list[Row]:
    """Return one row per face and network, and one row for a picture that shows no face."""
    pictures = list(seen)
    crops = [face.image for picture in pictures for face in picture.faces]
    said = {name: net.predict(np.stack(crops)) for name, net in nets.items()} if crops else {}
    rows: list[Row] = []
    number = 0
    for picture in pictures:
        empty = _row(picture)
        if not picture.faces:
            rows.append(empty)
        for index, face in enumerate(picture.faces):
            placed = empty | _place(index, face)
            rows += [placed | _said(name, p[number]) for name, p in said.items()]
            number += 1
    return rows


def _row(picture: Seen) -> Row:
    empty: Row = dict.fromkeys(classify_table.COLUMNS)
    return empty | {"file": picture.file, "frame_time": picture.time, "error": picture.error}


def _place(index: int, face: Face) -> Row:
    left, top, right, bottom = face.box
    return {
        "face": index, "left": left, "top": top, "right": right, "bottom": bottom,
        "score": float(face.score),
    }  # fmt: skip


def _said(name: str, probabilities: np.ndarray) -> Row:
    told: Row = {"model": name, "prediction": EMOTIONS[int(probabilities.argmax())]}
    return told | dict(zip(PROBABILITIES, map(float, probabilities), strict=True))


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
        sources: see `fermodels.classify_sources.find`.
        settings: with the networks named, see `Settings.resolved`.
        workers: threads that decode and look for faces; the networks are asked by one.

    Raises:
        FerError: a network cannot be loaded; files that cannot be read only get an error row.
    """
    nets = {name: network(name) for name in settings.models}
    waiting = iter(sources)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        while chunk := list(islice(waiting, CHUNK)):
            seen = pool.map(lambda source: look(source, settings), chunk)
            yield answer([one for many in seen for one in many], nets)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(
        "fermodels.classify", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="picture, video or folder")
    parser.add_argument(
        "--model", nargs="+", default=[], metavar="NAME", help="networks; all bundled by default"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help=f"results, {', '.join(classify_table.FORMS)}; CSV on stdout if none",
    )
    parser.add_argument("--all-faces", action="store_true", help="not the largest face alone")
    parser.add_argument(
        "--whole-picture", action="store_true", help="the central square is the face"
    )
    parser.add_argument(
        "--every", type=float, default=1.0, metavar="SECONDS", help="frames of a video; 0 for all"
    )
    earlier = parser.add_mutually_exclusive_group()
    earlier.add_argument("--resume", action="store_true", help="skip files that OUT holds already")
    earlier.add_argument(
        "--overwrite", action="store_true", help="begin anew where OUT holds earlier answers"
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="threads that look for faces"
    )
    return parser.parse_args(words)


def run(args: argparse.Namespace) -> list[Row]:
    """Do what the command line asks and return every row of the results.

    Raises:
        ConfigError: settings that do not fit, or results that are in the way.
        DataError: a path that does not exist.
    """
    settings = Settings(
        tuple(args.model), args.all_faces, args.whole_picture, args.every
    ).resolved()
    sources = classify_sources.find(args.paths, settings.every)
    if args.out is None:
        if args.resume or args.overwrite:
            raise ConfigError(
                f"--{'resume' if args.resume else 'overwrite'} needs --out: the earlier results"
            )
        rows = [r for some in _counted(sources, settings, args.workers) for r in some]
        sys.stdout.write(classify_table.to_csv(rows))
        return rows
    asked = asdict(settings) | {"models": list(settings.models)}
    with Journal(args.out, asked, args.resume, args.overwrite) as journal:
        left = [source for source in sources if source.name not in journal.done]
        for rows in _counted(left, settings, args.workers):
            journal.add(rows)
    return journal.all_rows()


def _counted(sources: list[Source], settings: Settings, workers: int) -> Iterator[list[Row]]:
    """Pass rows on under a progress bar, which is shown where somebody watches."""
    from tqdm import tqdm

    with tqdm(total=len(sources), unit="file", disable=None) as bar:
        for rows in rows_of(sources, settings, workers):
            bar.update(len({row["file"] for row in rows}))
            yield rows


def main(words: Sequence[str] | None = None) -> int:
    """Run; 0 when every file was read, 1 when some were not, 2 when the command is wrong."""
    args = parse(words)
    try:
        rows = run(args)
    except FerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: the same command with --resume goes on", file=sys.stderr)
        return 130
    failed = {str(row["file"]): str(row["error"]) for row in rows if row["error"]}
    files, faces = len({row["file"] for row in rows}), sum(row["face"] is not None for row in rows)
    print(f"{files} files, {faces} answers, {len(failed)} not read", file=sys.stderr)
    for file, why in list(failed.items())[:3]:
        print(f"not read: {file}: {why}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
