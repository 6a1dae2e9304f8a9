"""What people call the three splits, in columns, folders and file names."""

from __future__ import annotations

import re

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
    found = _FILE.fullmatch(stem)
    return parse(found.group(1)) if found else None


def of_face(name: str) -> str | None:
    """Return the split that a picture's name such as ``PublicTest_fer0028709.png`` carries."""
    found = _USAGE.search(name)
    return parse(found.group(1)) if found else None
