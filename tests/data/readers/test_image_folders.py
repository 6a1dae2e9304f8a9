from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fermodels.data.readers import image_folders
from fermodels.errors import DataError
from tests.data.readers.writers import made_up, write_folders

FACES = made_up()
SPLITS = {"train": "train", "validation": "PublicTest", "test": "PrivateTest"}


def read(folder):
    return image_folders.read(image_folders.pictures(folder))


@pytest.mark.parametrize(
    "classes",
    [
        ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"),
        ("anger", "disgusted", "fearful", "happiness", "sadness", "surprised", "neutrality"),
        tuple("0123456"),
        ("0_angry", "1_disgust", "2_fear", "3_happy", "4_sad", "5_surprise", "6_neutral"),
    ],
)
def test_any_spelling_of_the_classes_is_understood(tmp_path, classes):
    rows = read(write_folders(tmp_path, FACES, splits=SPLITS, classes=classes))
    order = np.argsort(rows.splits, kind="stable")
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(
            rows.images[order][rows.splits[order] == split], FACES.split(split).images
        )
        np.testing.assert_array_equal(
            rows.labels[order][rows.splits[order] == split], FACES.split(split).labels
        )


@pytest.mark.parametrize("form", ["PNG", "BMP"])
def test_numbers_in_names_give_the_row_order_back(tmp_path, form):
    names = [f"im{row}.{form.lower()}" for row in range(len(FACES))]  # im10 must follow im9
    rows = read(write_folders(tmp_path, FACES, names, splits=SPLITS, form=form))
    training = rows.splits == "train"
    np.testing.assert_array_equal(rows.images[training], FACES.split("train").images)


def test_jpeg_is_read_and_noted_as_lossy(tmp_path):
    rows = read(write_folders(tmp_path, FACES, splits=SPLITS, form="JPEG"))
    assert len(rows) == len(FACES)
    assert any("JPEG" in note for note in rows.notes)


def test_grey_stored_as_colour_stays_the_same_and_is_noted(tmp_path):
    write_folders(tmp_path, FACES, splits=SPLITS)
    for path in tmp_path.rglob("*.png"):
        Image.open(path).convert("RGB").save(path)
    rows = read(tmp_path)
    np.testing.assert_array_equal(rows.images[rows.splits == "train"], FACES.split("train").images)
    assert "70 of 70 pictures were colour: made grey." in rows.notes


def test_class_folders_alone_are_training_faces(tmp_path):
    write_folders(tmp_path, FACES.split("train"))
    assert set(read(tmp_path / "train").splits) == {"train"}


def break_one(folder, write):
    path = sorted((folder / "train" / "fear").iterdir())[0]
    write(path)
    return path


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b""), "is not a whole picture"),
        (lambda path: path.write_bytes(path.read_bytes()[:900]), "is not a whole picture"),
        (lambda path: Image.new("L", (64, 48)).save(path), "is 64x48 pixels: expected 48x48"),
        (lambda path: Image.new("I;16", (48, 48)).save(path), "expected 8-bit"),
    ],
)
def test_a_wrong_picture_is_named(tmp_path, write, message):
    path = break_one(write_folders(tmp_path, FACES), write)
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path)
    assert str(path) in str(caught.value)


def test_an_empty_class_folder_is_named(tmp_path):
    (write_folders(tmp_path, FACES) / "train" / "Sadness").mkdir()
    with pytest.raises(DataError, match="Sadness is empty"):
        read(tmp_path)


def test_an_unknown_class_is_named(tmp_path):
    folder = write_folders(tmp_path, FACES)
    (folder / "train" / "fear").rename(folder / "train" / "contempt")
    with pytest.raises(DataError, match="'contempt' is no known expression"):
        read(tmp_path)


def test_a_split_folder_without_classes_is_named(tmp_path):
    (write_folders(tmp_path, FACES) / "validation").mkdir()
    with pytest.raises(DataError, match="validation holds no class folders"):
        read(tmp_path)
