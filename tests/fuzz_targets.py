"""What is fuzzed: every reader of bytes from outside, and sound inputs to start from.

A target may return or raise FerError; anything else is a finding.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from fermodels import files, hub
from fermodels.classify import table
from fermodels.data.emotions import parse_emotion
from fermodels.data.photos.decode import PhotoLimits, opened_photo
from fermodels.data.readers import fer2013_csv, parquet
from fermodels.data.readers.image_folders import PictureReader
from fermodels.errors import FerError
from fermodels.nets import checkpoint
from fermodels.nets.config import NetConfig
from tests.hostile.pictures import encode, gif, png, tiff, webp
from tests.toys import striped_faces, tiny_config, tiny_net, write_csv

SMALL = PhotoLimits(max_pixels=1_000_000)
"""Keeps a fuzzer from spending its time in decoding what is allowed but large."""


@dataclass(frozen=True)
class Target:
    """A reader under test."""

    read: Callable[[bytes], object]
    """Takes the bytes."""
    seeds: Callable[[], list[bytes]]
    """Returns sound inputs, made when first needed."""


@cache
def _place() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="fer-fuzz-")
    _kept.append(folder)
    return Path(folder.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


def _file(name: str, data: bytes) -> Path:
    path = _place() / name
    path.write_bytes(data)
    return path


def _pictures() -> list[bytes]:
    sound = [encode(kind) for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP")]
    return [*sound, png(48, 48), tiff(48, 48), webp(48, 48), gif(48, 48)]


def _csv_seeds() -> list[bytes]:
    return [write_csv(_place() / "seed.csv", striped_faces(2)).read_bytes()]


def _parquet_seeds() -> list[bytes]:
    path = _place() / "seed.parquet"
    pd.DataFrame({"image": [{"bytes": encode("PNG"), "path": "a.png"}], "label": [3]}).to_parquet(
        path
    )
    return [path.read_bytes()]


def _weights_seeds() -> list[bytes]:
    from safetensors.torch import save

    return [save(checkpoint.half_weights(tiny_net()))]


def _config_seeds() -> list[bytes]:
    return [json.dumps(tiny_config().to_dict()).encode()]


def _table_seeds() -> list[bytes]:
    row: table.Row = dict.fromkeys(table.COLUMNS)
    return [table.to_csv([row | {"file": "=a,b", "face": 0, "score": 0.5}]).encode()]


def _open_photo(data: bytes) -> object:
    with opened_photo(data, limits=SMALL) as photo:
        return photo


def _read_config(data: bytes) -> object:
    return NetConfig.from_dict(files.read_json(_file("x.json", data)))


def _read_names(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    for check in (hub.check_repo_id, hub.check_revision, parse_emotion):
        try:
            check(text)
        except FerError as error:
            if "\n" in str(error):
                raise AssertionError(f"two lines: {error}") from error
    return table.unsafe_cell(table.safe_cell(text)) == text


TARGETS: dict[str, Target] = {
    "photo": Target(_open_photo, _pictures),
    "dataset picture": Target(lambda data: PictureReader().read(data, "x"), _pictures),
    "csv": Target(lambda data: fer2013_csv.read(_file("x.csv", data)), _csv_seeds),
    "parquet": Target(lambda data: parquet.read([_file("x.parquet", data)]), _parquet_seeds),
    "weights": Target(
        lambda data: checkpoint.load_weights(_file("x.safetensors", data), tiny_net()),
        _weights_seeds,
    ),
    "config": Target(_read_config, _config_seeds),
    "results": Target(lambda data: table.read(_file("x.csv", data)), _table_seeds),
    "names": Target(_read_names, lambda: [b"owner/name", b"main", b"0_angry", b"=a"]),
}
"""Reader -> how it is fed. One dict feeds the tests and ``python -m tests.fuzz``."""


def survives(target: Target, data: bytes) -> bool:
    """Feed a target; True if it read the bytes, False if it refused them in a sentence.

    Raises:
        Exception: a finding.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of much that it then reads
        try:
            target.read(data)
        except FerError as error:
            if "\n" in str(error):
                raise AssertionError(f"not one line: {error}") from error
            return False
    return True
