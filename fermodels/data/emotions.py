"""The seven expressions of FER-2013, in index order, and the spellings people use for them."""

from __future__ import annotations

from fermodels.errors import DataError

EMOTIONS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Class names; a class's position is its label in every file of this project."""

PROBABILITY_COLUMNS: list[str] = [f"p_{name}" for name in EMOTIONS]
"""Columns of stored predictions that hold probabilities, in class order."""

SPELLINGS: dict[str, int] = {
    **{name: index for index, name in enumerate(EMOTIONS)},
    **{str(index): index for index in range(len(EMOTIONS))},
    "anger": 0,
    "disgusted": 1,
    "fearful": 2,
    "afraid": 2,
    "scared": 2,
    "happiness": 3,
    "joy": 3,
    "sadness": 4,
    "surprised": 5,
    "suprise": 5,
    "neutrality": 6,
    "calm": 6,
}
"""Lower-case spelling (digits included) -> label."""


def parse_emotion(text: str | int) -> int:
    """Return the label 0..6 that a class name, spelling or number stands for.

    Folder prefixes such as ``0_angry`` or ``3-Happy`` are understood.

    Raises:
        DataError: the text names none of the seven expressions.
    """
    word = str(text).strip().lower()
    label = SPELLINGS.get(word)
    if label is None and word[:1].isdigit():
        label = SPELLINGS.get(word.lstrip("0123456789").strip(" _-."))
    if label is None:
        raise DataError(
            f"unknown expression {text!r}: expected one of {', '.join(EMOTIONS)} or 0 to 6; "
            "rename the class or map it before reading"
        )
    return label
