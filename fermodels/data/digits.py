"""Pixel text to pixels: ``"70 80 82 ..."`` -> uint8, at the speed of memory.

FER-2013's CSV spells 82 million grey levels as decimal text. `numbers` reads them with whole-array
operations on the bytes: at each byte that ends a number, ``value = d0 + 10 d1 + 100 d2`` over the
last three bytes, with the digits of the number before masked out. It also proves, in the same
passes, that the text is what it should be (only digits and spaces, nothing above 255, at most
three digits); if not it returns None, and `read_row` finds the fault slowly and names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fermodels.data.dataset import FACE_SHAPE
from fermodels.errors import DataError

PIXELS = FACE_SHAPE[0] * FACE_SHAPE[1]
MARGIN = 4
"""Spaces that must stand before the first digit, so that looking three bytes back is safe."""
_BATCH = 64

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Scratch:
    """Working memory that a run of calls to `numbers` shares; allocating it anew costs more."""

    space: Bytes
    inside: Bytes
    value: Bytes
    spare: Bytes

    @classmethod
    def of(cls, size: int) -> Scratch:
        """Return scratch for texts of up to ``size`` bytes."""
        return cls(*(np.empty(size, np.uint8) for _ in range(4)))


def numbers(text: Bytes, scratch: Scratch) -> tuple[Bytes, NDArray[np.intp]] | None:
    """Return the numbers of a text, and where they end; None if it is not plain pixel text.

    Args:
        text: uint8, even length, `MARGIN` spaces before the first digit and one after the last;
            overwritten.
        scratch: working memory of at least that size.

    Returns:
        The numbers, uint8 ``(K,)``, and for each the index of the byte pair that holds its last
        digit, intp ``(K,)``. A number takes two bytes or more, so pairs never hold two of them.
    """
    size = len(text)
    if text.max() > ord("9"):
        return None
    text ^= 48  # digits become 0..9, space 16; all else below "9" becomes 17 or more
    if text.max() > 16:
        return None
    space = np.right_shift(text, 4, out=scratch.space[:size])  # 1 at spaces, 0 at digits
    text &= 15  # now a digit's value, 0 at spaces
    value = _values(text, space, scratch)
    if value is None:
        return None
    last = np.greater(space[1:], space[:-1], out=scratch.spare[: size - 1].view(bool))
    value[:-1] *= last
    scratch.spare[size - 1] = value[-1] = 0
    in_pair = scratch.spare[:size].view(np.uint16)
    pairs = np.flatnonzero(np.not_equal(in_pair, 0, out=text[: size // 2].view(bool)))
    found = value.view(np.uint16).take(pairs)
    found |= found >> 8  # one byte of the pair is the value, the other 0
    return found.astype(np.uint8), pairs


def _values(level: Bytes, space: Bytes, scratch: Scratch) -> Bytes | None:
    """Return, for each byte that is a number's last digit, the number; None if one is too large."""
    size = len(level)
    value, spare, inside = scratch.value[:size], scratch.spare[:size], scratch.inside[:size]
    np.bitwise_or(space[1:], space[:-1], out=inside[1:])
    inside -= 1  # 255 where this byte and the one before are digits, else 0
    if np.bitwise_and(inside[3:], inside[1:-2], out=spare[3:]).max():
        return None  # four digits in a row
    hundreds = np.bitwise_and(level[:-2], inside[2:], out=value[2:])
    if hundreds.max() > 2:
        return None
    hundreds *= 100
    below = np.multiply(level[:-1], 10, out=spare[1:])
    below += level[1:]
    hundreds += below[1:]
    value[:2] = 0
    wrapped = np.less(hundreds, below[1:], out=inside[2:].view(bool))
    return None if wrapped.any() else value


def read_row(text: str, where: str) -> Bytes:
    """Read one face's pixels the slow, obvious way, uint8 ``(48, 48)``.

    Raises:
        DataError: not 2,304 whole numbers 0..255; names the place and the value seen.
    """
    words = text.split()
    if len(words) != PIXELS:
        raise DataError(
            f"{where}: {len(words):,} pixels: expected {PIXELS:,} (48x48); "
            "is the file cut short? Download it again or remove the row"
        )
    for position, word in enumerate(words):
        if not (word.isascii() and word.isdigit() and int(word) <= 255):
            raise DataError(
                f"{where}: pixel {position + 1} is {word!r}: expected a whole number 0 to 255; "
                "correct or remove the row"
            )
    return np.array(words, dtype=np.uint8).reshape(FACE_SHAPE)


def read_rows(texts: Sequence[str], where: str, first: int = 1) -> Bytes:
    """Read many faces' pixel texts, uint8 ``(N, 48, 48)``.

    Args:
        texts: one a face.
        where: names their file.
        first: the number of the first row, for errors.

    Raises:
        DataError: see `read_row`; the row is named.
    """
    faces = np.empty((len(texts), *FACE_SHAPE), np.uint8)
    for start in range(0, len(texts), _BATCH):
        batch = [text.strip() for text in texts[start : start + _BATCH]]
        fast = _read_batch([text.encode("ascii", "replace") for text in batch])
        if fast is None:
            rows = enumerate(batch, start + first)
            fast = np.stack([read_row(text, f"{where}, row {row}") for row, text in rows])
        faces[start : start + len(batch)] = fast
    return faces


def _read_batch(texts: Sequence[bytes]) -> Bytes | None:
    lengths = np.array([len(text) for text in texts])
    joined = b" " * MARGIN + b" ".join(texts) + b" "
    joined += b" " * (len(joined) % 2)
    starts = MARGIN + np.cumsum(lengths + 1) - lengths - 1
    found = numbers(np.frombuffer(bytearray(joined), np.uint8), Scratch.of(len(joined)))
    if found is None or not rows_are_full(found[1], starts, starts + lengths):
        return None
    return found[0].reshape(-1, *FACE_SHAPE)


def rows_are_full(
    pairs: NDArray[np.intp], starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> bool:
    """Tell whether each row's bytes ``starts[r]:stops[r]`` hold exactly 2,304 of the numbers.

    Args:
        pairs: where the numbers end, as `numbers` gives it.
        starts: each row's first byte; at least one byte lies between rows.
        stops: one past each row's last byte.
    """
    if len(pairs) != PIXELS * len(starts):
        return False
    first, last = pairs[::PIXELS], pairs[PIXELS - 1 :: PIXELS]
    return bool((first >= starts // 2).all() and (last <= (stops - 1) // 2).all())
