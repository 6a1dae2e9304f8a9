from __future__ import annotations

import numpy as np

from fermodels.data.readers import split_names
from fermodels.data.readers.rows import Rows
from tests.data.readers.writers import made_up

FACES = made_up((700, 70, 70))


def training_rows(order=None):
    part = FACES.split("train")
    order = np.arange(len(part)) if order is None else order
    return Rows(part.images[order], part.labels[order], part.splits[order])


def chosen(rows, split):
    return {face.tobytes() for face in rows.images[rows.splits == split]}


def test_a_tenth_of_each_class_is_held_out_for_each_missing_split():
    rows = split_names.hold_out(training_rows())
    for split in ("validation", "test"):
        assert np.bincount(rows.labels[rows.splits == split]).tolist() == [10] * 7
    assert "no validation or test split" in rows.notes[-1]
    assert "70 for validation and 70 for test" in rows.notes[-1]


def test_the_choice_depends_on_content_not_on_order():
    order = np.random.default_rng(0).permutation(700)
    straight, shuffled = (split_names.hold_out(training_rows(o)) for o in (None, order))
    for split in ("train", "validation", "test"):
        assert chosen(straight, split) == chosen(shuffled, split)


def test_exact_copies_stay_on_one_side():
    part = FACES.split("train")
    twice = np.concatenate([np.arange(700)] * 2)
    rows = split_names.hold_out(Rows(part.images[twice], part.labels[twice], part.splits[twice]))
    assert np.array_equal(rows.splits[:700], rows.splits[700:])


def test_only_the_missing_split_is_held_out():
    keep = np.flatnonzero(FACES.splits != "validation")
    rows = split_names.hold_out(Rows(FACES.images[keep], FACES.labels[keep], FACES.splits[keep]))
    assert (rows.splits == "test").sum() == 70
    assert (rows.splits == "validation").sum() == 70
    assert np.array_equal(rows.splits == "test", FACES.splits[keep] == "test")


def test_complete_data_and_test_only_data_are_left_alone():
    whole = Rows(FACES.images, FACES.labels, FACES.splits)
    assert split_names.hold_out(whole) is whole
    only = whole.take(np.flatnonzero(FACES.splits == "test"))
    assert split_names.hold_out(only) is only


def test_too_few_faces_are_left_alone_and_said_so():
    few = training_rows(np.arange(2))
    rows = split_names.hold_out(few)
    assert set(rows.splits) == {"train"}
    assert "too few" in rows.notes[-1]


def test_usage_in_file_names_gives_validation_back():
    words = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
    names = np.array([f"{words[split]}_{row}.jpg" for row, split in enumerate(FACES.splits)])
    merged = np.where(FACES.splits == "validation", "test", FACES.splits)
    for splits in (merged, np.full(len(FACES), "train")):
        rows = split_names.recover(Rows(FACES.images, FACES.labels, splits, names))
        assert np.array_equal(rows.splits, FACES.splits)


def test_names_without_usage_change_nothing():
    merged = np.where(FACES.splits == "validation", "test", FACES.splits)
    names = np.array([f"im{row}.jpg" for row in range(len(FACES))])
    rows = Rows(FACES.images, FACES.labels, merged, names)
    assert split_names.recover(rows) is rows
