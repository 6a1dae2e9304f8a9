from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fermodels.data.dataset import SPLITS
from fermodels.data.emotions import EMOTIONS
from fermodels.data.readers import parquet
from fermodels.errors import DataError
from tests.data.readers.writers import USAGES, encoded, made_up, pixel_text, write_parquet

FACES = made_up()
ALPHABETICAL = sorted(EMOTIONS)


def read(folder):
    return parquet.read(parquet.files_in(folder))


@pytest.mark.parametrize(
    "names",
    [
        ("train.parquet", "validation.parquet", "test.parquet"),
        tuple(f"data/{split}-00000-of-00001.parquet" for split in SPLITS),
        tuple(f"{usage}-00000-of-00001-0a1b.parquet" for usage in USAGES.values()),
        ("train/0000.parquet", "validation/0000.parquet", "test/0000.parquet"),
    ],
)
def test_the_split_is_told_by_the_file_or_folder_name(tmp_path, names):
    for name, split in zip(names, ("train", "validation", "test"), strict=True):
        write_parquet(tmp_path / name, FACES.split(split))
    rows = read(tmp_path)
    for split in ("train", "validation", "test"):
        part = rows.splits == split
        np.testing.assert_array_equal(rows.images[part], FACES.split(split).images)
        np.testing.assert_array_equal(rows.labels[part], FACES.split(split).labels)


def test_class_label_names_are_obeyed_whatever_their_order(tmp_path):
    numbers = [ALPHABETICAL.index(EMOTIONS[label]) for label in FACES.labels]
    write_parquet(tmp_path / "train.parquet", FACES, numbers, ALPHABETICAL)
    np.testing.assert_array_equal(read(tmp_path).labels, FACES.labels)


def test_labels_may_be_words(tmp_path):
    write_parquet(tmp_path / "train.parquet", FACES, [EMOTIONS[i].title() for i in FACES.labels])
    np.testing.assert_array_equal(read(tmp_path).labels, FACES.labels)


def test_plain_bytes_and_other_column_names_are_read(tmp_path):
    table = pa.table({"img": [encoded(image) for image in FACES.images], "emotion": FACES.labels})
    pq.write_table(table, tmp_path / "train.parquet")
    np.testing.assert_array_equal(read(tmp_path).images, FACES.images)


def test_pixel_text_with_usage_is_read(tmp_path):
    cells = {
        "emotion": FACES.labels,
        "pixels": [pixel_text(image) for image in FACES.images],
        "Usage": [USAGES[split] for split in FACES.splits],
    }
    pq.write_table(pa.table(cells), tmp_path / "0000.parquet")
    rows = read(tmp_path)
    np.testing.assert_array_equal(rows.images, FACES.images)
    np.testing.assert_array_equal(rows.splits, FACES.splits)


def test_a_missing_shard_is_named(tmp_path):
    write_parquet(tmp_path / "train-00001-of-00002.parquet", FACES)
    with pytest.raises(DataError, match="shard 0 of 2 is missing"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([7] * 70, None, "row 1: unknown expression 7"),
        ([0] * 69 + ["contempt"], None, "row 70: unknown expression 'contempt'"),
        ([0] * 30 + [7] * 40, EMOTIONS, "row 31: label 7: expected 0 to 6"),
        ([0] * 30 + [None] * 40, None, "row 31: label is None"),
    ],
)
def test_an_unknown_label_is_named(tmp_path, labels, names, message):
    words = [str(x) if x is not None else None for x in labels] if "contempt" in labels else labels
    write_parquet(tmp_path / "train.parquet", FACES, words, names)
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_missing_columns_rows_and_bytes_are_named(tmp_path):
    path = tmp_path / "train.parquet"
    for cells, message in [
        ({"x": [1]}, r"columns \['x'\]: expected one called label"),
        ({"label": [1]}, "expected one called image"),
        ({"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}, "holds no rows"),
        ({"image": pa.array([None], pa.binary()), "label": [1]}, "row 1: the image holds no bytes"),
    ]:
        pq.write_table(pa.table(cells), path)
        with pytest.raises(DataError, match=message):
            read(tmp_path)


def test_a_truncated_file_is_named(tmp_path):
    path = write_parquet(tmp_path / "train.parquet", FACES)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"train\.parquet cannot be read as parquet"):
        read(tmp_path)
