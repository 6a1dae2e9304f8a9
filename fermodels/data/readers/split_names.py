"""What people call the three splits, in columns, folders and file names."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fermodels.data.readers.rows import Rows

_WORDS = {
    **dict.fromkeys(("train", "training", "fer2013train"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev", "publictest"), "validation"),
    **dict.fromkeys(("validate", "eval", "evaluation", "fer2013valid"), "validation"),
    **dict.fromkeys(("test", "testing", "privatetest", "fer2013test"), "test"),
}
_FILE = re.compile(r"(?:fer[-_]?2013[-_])?([a-z]+(?:[-_ ]test)?)(?:[-_. ]\d.*)?", re.IGNORECASE)
_USAGE = re.compile(r"(?<![a-z])(training|public_?test|private_?test)(?![a-z])", re.IGNORECASE)


def parse(word: str) -> str | None:
    """Return "train", "validation" or "test" for a word such as ``PublicTest``, else None."""
    return _WORDS.get(re.sub(r"[\s_-]", "", word).lower())


def of_file(stem: str) -> str | None:
    """Return the split that a file name such as ``train-00000-of-00001`` tells, else None."""
    match = _FILE.fullmatch(stem)
    return parse(match.group(1)) if match else None


def of_face(name: str) -> str | None:
    """Return the split that a picture's name such as ``PublicTest_fer0028709.png`` carries."""
    match = _USAGE.search(name)
    return parse(match.group(1)) if match else None


# --- Splits that a copy of the data lost: found again in file names, or held out anew
#
# Popular image folders put PublicTest and PrivateTest into one ``test`` folder; where their file
# names still carry the split it is taken from there. Otherwise a tenth of the training faces is
# held out, by content, so that the same faces are chosen whatever the files' names and order.


SHARE = 0.1
"""Share of each class's training faces that is held out for a missing split."""
SEED = b"fer-holdout-1"


def recover(rows: Rows) -> Rows:
    """Give faces back the split that their file names carry, if the validation split is missing."""
    if rows.names is None or (rows.splits == "validation").any():
        return rows
    for pool in (rows.splits == "test", np.ones(len(rows), bool)):
        carried = [of_face(name) for name in rows.names[pool]]
        if "validation" in carried and None not in carried:
            splits = rows.splits.astype("U10")
            splits[pool] = carried
            return replace(rows, splits=splits).noting(
                "Validation (PublicTest) and test (PrivateTest) were told apart by file name."
            )
    return rows


def hold_out(rows: Rows) -> Rows:
    """Hold a seeded, stratified tenth of the training faces out for each missing split.

    The choice hashes pixels, so exact copies of one face in one class stay on the same side.
    """
    missing = [name for name in ("validation", "test") if not (rows.splits == name).any()]
    training = np.flatnonzero(rows.splits == "train")
    if not missing or not len(training):
        return rows
    splits = rows.splits.astype("U10")
    keys = _keys(rows.images[training])
    for label in np.unique(rows.labels[training]):
        members = rows.labels[training] == label
        splits[training[members]] = _assign(keys[members], missing)
    taken = {name: int((splits == name).sum()) for name in missing}
    if not all(taken.values()):
        return rows.noting("No faces could be held out for validation: too few in each class.")
    counts = " and ".join(f"{count:,} for {name}" for name, count in taken.items())
    return replace(rows, splits=splits).noting(
        f"The source has no {' or '.join(missing)} split: {counts} were held out of its "
        f"{len(training):,} training faces ({SHARE:.0%} of each class, chosen by content)."
    )


def _keys(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return a seeded 64-bit hash of each face's pixels, ``(N,)``."""
    digests = [hashlib.blake2b(face.tobytes(), digest_size=8, key=SEED) for face in images]
    return np.frombuffer(b"".join(digest.digest() for digest in digests), np.uint64)


def _assign(keys: NDArray[np.uint64], missing: list[str]) -> NDArray[np.str_]:
    """Return the split of each face of one class: lowest hashes first for each missing split."""
    splits = np.full(len(keys), "train", "U10")
    if len(keys) < 1 + len(missing):
        return splits
    share = max(1, round(SHARE * len(keys)))
    ordered = np.sort(keys)
    for position in reversed(range(len(missing))):
        splits[keys <= ordered[share * (position + 1) - 1]] = missing[position]
    return splits
