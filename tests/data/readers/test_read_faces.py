"""FaceDataset itself, and every form of the real FER-2013 against each other."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fermodels.data.dataset import FaceDataset
from fermodels.data.readers.discover import read_faces
from fermodels.errors import DataError
from tests.data.readers.writers import USAGES, made_up, same, write_csv

FACES = made_up()


def test_ids_do_not_depend_on_row_order():
    order = np.random.default_rng(0).permutation(len(FACES))
    shuffled = FACES.select(order)
    assert np.array_equal(shuffled.ids, FACES.ids[order])
    assert shuffled.content_hash == FACES.content_hash


def test_ids_are_unique_even_for_exact_copies():
    twice = FACES.select(np.concatenate([np.arange(len(FACES))] * 2))
    assert len(set(twice.ids)) == 2 * len(FACES)
    assert sum(name.endswith(".2") for name in twice.ids) == len(FACES)


def test_one_grey_level_changes_the_content_hash():
    images = FACES.images.copy()
    images[5, 20, 20] ^= 1
    changed = FaceDataset(images, FACES.labels, FACES.splits, "changed")
    assert changed.content_hash != FACES.content_hash
    assert (changed.ids != FACES.ids).sum() == 1


def test_a_missing_split_is_named():
    with pytest.raises(DataError, match=r"no split 'test': it holds \['train'\]"):
        FACES.split("train").split("test")


@pytest.mark.parametrize(
    "change",
    [
        {"images": FACES.images.astype(float)},
        {"images": FACES.images[:, :32]},
        {"images": FACES.images[:0]},
        {"labels": FACES.labels[1:]},
        {"labels": FACES.labels + 1},
        {"splits": np.full(len(FACES), "holdout")},
        {"votes": np.zeros((3, 10), np.uint8)},
    ],
)
def test_wrong_parts_are_refused(change):
    parts = {"images": FACES.images, "labels": FACES.labels, "splits": FACES.splits, "name": "x"}
    with pytest.raises(DataError):
        FaceDataset(**{**parts, **change})


@pytest.fixture(scope="session")
def real(fer2013_dir) -> FaceDataset:
    return read_faces(fer2013_dir)


@pytest.fixture(scope="session")
def real_forms(fer2013_dir, real, tmp_path_factory) -> dict[str, Path]:
    """The whole of FER-2013 in each lossless form, written once."""
    folder = tmp_path_factory.mktemp("forms")
    forms = {
        "fer2013.csv": write_csv(folder / "fer2013.csv", real),
        "icml_face_data.csv": write_csv(
            folder / "icml_face_data.csv", real, "emotion, Usage, pixels"
        ),
        "image folders": folder / "folders",
    }
    row = 0
    for split, usage in USAGES.items():
        table = pq.read_table(fer2013_dir / f"{split}.parquet")
        for image, label in zip(
            table["image"].to_pylist(), table["label"].to_pylist(), strict=True
        ):
            place = forms["image folders"] / ("train" if split == "train" else "test") / str(label)
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{usage}_{row}.png").write_bytes(image["bytes"])
            row += 1
    return forms


def test_real_parquet_reads_as_decoding_one_by_one_does(fer2013_dir, real):
    table = pq.read_table(fer2013_dir / "test.parquet")
    test = real.split("test")
    assert table["label"].to_pylist() == test.labels.tolist()
    for row in range(0, len(test), 50):
        encoded = table["image"][row].as_py()["bytes"]
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(encoded))), test.images[row])


def test_real_splits_and_classes_have_the_published_sizes(real):
    assert real.name == "FER-2013"
    assert {split: sum(counts) for split, counts in real.counts().items()} == {
        "train": 28_709,
        "validation": 3_589,
        "test": 3_589,
    }
    assert real.counts()["train"] == [3995, 436, 4097, 7215, 4830, 3171, 4965]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["fer2013.csv", "icml_face_data.csv", "image folders"])
def test_real_lossless_forms_give_the_same_faces_labels_and_hash(real, real_forms, form):
    for _ in ("read", "from the cache"):
        faces = read_faces(real_forms[form])
        assert same(faces, real)
        assert faces.content_hash == real.content_hash
        assert faces.name == "FER-2013"


def test_real_votes_join_and_agree_as_known(fer2013_dir, real):
    if not (fer2013_dir / "fer2013new.csv").exists():
        pytest.skip("needs fer2013new.csv beside the parquet files in FER2013_DIR")
    assert real.votes.shape == (35_887, 10)
    assert any("matched by row order" in note for note in real.notes)
    unanimous = real.votes.max(axis=1) >= 10
    top = np.array([6, 3, 5, 4, 0, 1, 2, -1, -1, -1])[real.votes.argmax(axis=1)]
    named = unanimous & (top >= 0)
    assert (top == real.labels)[named].mean() > 0.85
