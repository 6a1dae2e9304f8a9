from __future__ import annotations

import numpy as np
import pytest

from fermodels.data.readers import ferplus
from fermodels.data.readers.rows import Rows
from fermodels.errors import DataError
from tests.data.readers.writers import USAGES, made_up

FACES = made_up((400, 100, 100))
COLUMN_OF = {label: column for column, label in enumerate(ferplus.VOTE_LABELS) if label >= 0}


def some_votes(agreeing=0.65):
    """Made-up votes whose top equals the label on about that share of faces."""
    rng = np.random.default_rng(0)
    table = rng.integers(0, 3, (len(FACES), 10), dtype=np.uint8)
    columns = [COLUMN_OF[label] for label in FACES.labels]
    hit = rng.random(len(FACES)) < agreeing
    table[np.arange(len(FACES)), np.where(hit, columns, rng.integers(0, 10, len(FACES)))] = 9
    return table


VOTES = some_votes()
NO_FACE = np.arange(len(FACES)) % 50 == 7


def write_votes(path, table=VOTES):
    """As FER+ writes it: names count faces only, so they lag behind the row numbers."""
    lines = ["Usage,Image name," + ",".join(ferplus.VOTE_COLUMNS)]
    face = 0
    for row, counts in enumerate(table):
        name = "" if NO_FACE[row] else f"fer{face:07d}.png"
        face += not NO_FACE[row]
        lines.append(f"{USAGES[FACES.splits[row]]},{name}," + ",".join(map(str, counts)))
    path.write_text("\n".join(lines) + "\n")
    return path


def rows_of(which, names=None):
    return Rows(FACES.images[which], FACES.labels[which], FACES.splits[which], names)


@pytest.fixture
def table(tmp_path):
    return ferplus.read(write_votes(tmp_path / "fer2013new.csv"))


EVERY = np.arange(len(FACES))
SOME = np.flatnonzero((EVERY % 3 == 0) & ~NO_FACE)


def test_votes_join_by_row_order(table):
    joined, note = ferplus.join(rows_of(EVERY), table)
    np.testing.assert_array_equal(joined, VOTES)
    assert "matched by row order" in note


def test_one_whole_split_joins_by_row_order(table):
    test = np.flatnonzero(FACES.splits == "test")
    joined, _ = ferplus.join(rows_of(test), table)
    np.testing.assert_array_equal(joined, VOTES[test])


def test_a_subset_joins_by_row_numbers_in_names(table):
    names = np.array([f"Training_fer{row:07d}.png" for row in SOME])
    joined, note = ferplus.join(rows_of(SOME, names), table)
    np.testing.assert_array_equal(joined, VOTES[SOME])
    assert "row numbers" in note


def test_a_subset_joins_by_fer_plus_names_which_count_otherwise(table):
    names = table.names[SOME]
    joined, note = ferplus.join(rows_of(SOME, names), table)
    np.testing.assert_array_equal(joined, VOTES[SOME])
    assert "FER+'s picture names" in note


def test_rows_in_another_order_are_not_joined_and_the_note_says_why(table):
    shuffled = np.concatenate(
        [np.random.default_rng(1).permutation(np.flatnonzero(FACES.splits == s)) for s in USAGES]
    )
    joined, note = ferplus.join(rows_of(shuffled), table)
    assert joined is None
    assert "not joined" in note
    assert "aligned: 63%" in note


def test_a_subset_without_names_is_not_joined(table):
    joined, note = ferplus.join(rows_of(SOME), table)
    assert joined is None
    assert f"{len(SOME)} faces against 600 rows of votes" in note


def test_misaligned_stretches_are_seen_even_if_the_rest_is_right():
    labels = np.tile(FACES.labels, 10)
    good = np.tile(VOTES, (10, 1))
    bad = good.copy()
    bad[2000:3000] = bad[2000:3000][::-1]
    assert ferplus._least_agreement(good, labels) > ferplus.LEAST_AGREEMENT
    assert ferplus._least_agreement(bad, labels) < ferplus.LEAST_AGREEMENT
    assert ferplus._agrees(bad, labels).mean() > ferplus.LEAST_AGREEMENT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace(",NF", ",nothing", 1), r"lacks the columns \['NF'\]"),
        (lambda t: t[:-20], "columns: expected 12; is the file cut short"),
        (lambda t: t.replace("Training", "Practice", 1), "unknown Usage"),
        (lambda t: t.replace(",9", ",many", 1), "not a whole number"),
        (lambda t: t.splitlines()[0], "holds no rows"),
    ],
)
def test_a_wrong_vote_table_is_named(tmp_path, change, message):
    path = write_votes(tmp_path / "fer2013new.csv")
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message):
        ferplus.read(path)
