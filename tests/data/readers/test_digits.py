from __future__ import annotations

import random

import numpy as np
import pytest

from fermodels.data.readers import fer2013_csv
from fermodels.errors import DataError


def slowly(texts):
    try:
        return np.stack([fer2013_csv.read_row(text, "here") for text in texts])
    except DataError:
        return None


def quickly(texts):
    return fer2013_csv._read_batch([text.encode() for text in texts])


@pytest.mark.parametrize("top", [1, 10, 100, 256])
def test_quick_digits_equal_the_slow_reader(top):
    levels = np.random.default_rng(top).integers(0, top, (5, 2304))
    texts = [" ".join(map(str, row)) for row in levels]
    np.testing.assert_array_equal(quickly(texts), slowly(texts))


@pytest.mark.parametrize(
    "odd",
    ["256", "260", "299", "300", "999", "1000", "1007", "-1", "1.5", "x", "?", ":", "/", "", "1 2"],
)
@pytest.mark.parametrize("position", [0, 1, 1150, 2303])
def test_one_odd_pixel_anywhere_is_never_read_quickly(odd, position):
    words = ["7"] * 2304
    words[position] = odd
    texts = [" ".join(["8"] * 2304), " ".join(words), " ".join(["9"] * 2304)]
    assert quickly(texts) is None
    assert slowly(texts) is None


def test_rows_of_2305_and_2303_pixels_do_not_make_up_for_each_other():
    texts = [" ".join(["255"] * 2305), " ".join(["255"] * 2303)]
    assert quickly(texts) is None


def test_random_damage_is_refused_or_read_as_the_slow_reader_reads_it():
    rng = random.Random(1)
    levels = np.random.default_rng(1).integers(0, 256, (2, 2304))
    outcomes = set()
    for _ in range(300):
        texts = [" ".join(map(str, row)) for row in levels]
        which, place = rng.randrange(2), rng.randrange(8000)
        cut, new = rng.choice([0, 1]), rng.choice(["", " ", "1", "0", ":", "\t", "-"])
        texts[which] = texts[which][:place] + new + texts[which][place + cut :]
        quick, slow = quickly(texts), slowly(texts)
        if quick is not None:
            assert slow is not None
            np.testing.assert_array_equal(quick, slow)
        outcomes.add((quick is None, slow is None))
    assert len(outcomes) > 1


def test_a_wrong_row_among_many_is_named():
    texts = [" ".join(["7"] * 2304)] * 200
    texts[130] = "1 2 3"
    with pytest.raises(DataError, match=r"x\.parquet, row 131: 3 pixels: expected 2,304"):
        fer2013_csv.read_rows(texts, "x.parquet")
