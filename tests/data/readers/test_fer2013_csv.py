from __future__ import annotations

import os

import numpy as np
import pytest

from fermodels.data.readers import fer2013_csv
from fermodels.data.readers.fer2013_csv import require_columns
from fermodels.errors import DataError
from tests.data.readers.writers import made_up, write_csv

FACES = made_up()


def assert_reads_as(path, faces):
    rows = fer2013_csv.read(path)
    np.testing.assert_array_equal(rows.images, faces.images)
    np.testing.assert_array_equal(rows.labels, faces.labels)
    np.testing.assert_array_equal(rows.splits, faces.splits)


def read_only_quickly(path):
    return fer2013_csv.read_fast(path, require_columns(path), "train")


@pytest.mark.parametrize(
    "columns",
    [
        "emotion,pixels,Usage",
        "emotion, Usage, pixels",
        "Usage,pixels,emotion",
        "id,pixels,emotion,Usage",
    ],
)
def test_columns_are_found_by_name_in_any_order(tmp_path, columns):
    path = write_csv(tmp_path / "faces.csv", FACES, columns)
    assert_reads_as(path, FACES)
    assert read_only_quickly(path) is not None


def test_quick_and_slow_readers_agree(tmp_path):
    path = write_csv(tmp_path / "faces.csv", FACES)
    quick = read_only_quickly(path)
    slow = fer2013_csv._read_slowly(path, require_columns(path), "train")
    np.testing.assert_array_equal(quick.images, slow.images)
    np.testing.assert_array_equal(quick.labels, slow.labels)
    np.testing.assert_array_equal(quick.splits, slow.splits)


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_stretches_join_in_file_order(tmp_path, monkeypatch, threads):
    monkeypatch.setattr(fer2013_csv, "_LEAST_STRETCH", 1000)
    monkeypatch.setattr(fer2013_csv, "_BLOCK", 30_000)
    monkeypatch.setattr(os, "cpu_count", lambda: threads)
    path = write_csv(tmp_path / "faces.csv", FACES)
    assert len(fer2013_csv._stretches(path)) == threads + 1
    assert_reads_as(path, FACES)
    assert read_only_quickly(path) is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.removesuffix(b"\n"),
        lambda text: text + b"\n\n",
        lambda text: b"\xef\xbb\xbf" + text,
    ],
    ids=["windows line ends", "no last line end", "blank lines", "byte order mark"],
)
def test_harmless_spellings_are_read_quickly(tmp_path, change):
    path = write_csv(tmp_path / "faces.csv", FACES)
    path.write_bytes(change(path.read_bytes()))
    assert_reads_as(path, FACES)
    assert read_only_quickly(path) is not None


def test_quoted_pixels_are_read_quickly(tmp_path):
    path = write_csv(tmp_path / "faces.csv", FACES, quote='"')
    assert_reads_as(path, FACES)
    assert read_only_quickly(path) is not None


def test_odd_but_right_spelling_is_read_slowly(tmp_path):
    path = write_csv(tmp_path / "faces.csv", FACES)
    text = path.read_text().splitlines()
    text[3] = text[3].replace(" ", "\t", 1).replace(" ", " 00", 1)
    path.write_text("\n".join(text))
    assert read_only_quickly(path) is None
    assert_reads_as(path, FACES)


def test_without_usage_the_file_name_tells_the_split(tmp_path):
    for name, split in [("train.csv", "train"), ("test.csv", "test"), ("val.csv", "validation")]:
        path = write_csv(tmp_path / name, FACES, "emotion,pixels")
        assert set(fer2013_csv.read(path).splits) == {split}


def damaged(tmp_path, row, change):
    path = write_csv(tmp_path / "fer2013.csv", FACES)
    lines = path.read_text().splitlines()
    lines[row] = change(lines[row])
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: "9" + line[1:], "unknown expression '9'.*0 to 6"),
        (lambda line: "" + line[1:], "unknown expression ''"),
        (lambda line: line.replace("Training", "Practice"), "Usage is 'Practice': expected Train"),
        (lambda line: line.replace(" ", " 256 ", 1), "2,305 pixels: expected 2,304"),
        (
            lambda line: line.replace(",", ",300 ", 1).replace(" ", "@", 2).replace("@", " ", 1),
            "pixel",
        ),
        (lambda line: line[:500], "2 columns: expected 3"),
        (lambda line: line + ",more", "4 columns: expected 3"),
        (lambda line: line[:2] + "x" + line[2:], "pixel 1 is 'x"),
        (lambda line: line[:2] + "9999" + line[2:], "pixel 1 is '9999"),
        (lambda line: line[:2] + "-" + line[2:], "pixel 1 is '-"),
    ],
)
def test_a_wrong_row_is_named_with_the_value_seen(tmp_path, change, message):
    with pytest.raises(DataError, match=rf"fer2013\.csv, row 17 \(line 18\): .*{message}"):
        fer2013_csv.read(damaged(tmp_path, 17, change))


def test_a_truncated_file_is_named(tmp_path):
    path = write_csv(tmp_path / "fer2013.csv", FACES)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(DataError, match=r"row 70 .*cut short\? Download it again"):
        fer2013_csv.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("emotion,Usage\n0,Training\n", "expected emotion,pixels,Usage"),
        ("pixels\n1 2 3\n", "has no labels"),
        ("emotion,pixels,Usage\n", "holds no faces"),
    ],
)
def test_files_without_faces_are_refused(tmp_path, content, message):
    path = tmp_path / "test.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        fer2013_csv.read(path)


def test_a_file_of_random_bytes_is_refused(tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(b"emotion,pixels,Usage\n" + np.random.default_rng(0).bytes(400_000))
    with pytest.raises(DataError, match=r"fer2013\.csv, row 1 "):
        fer2013_csv.read(path)
