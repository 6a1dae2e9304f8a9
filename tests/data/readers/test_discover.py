from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from fermodels.data import samples
from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from fermodels.data.readers import discover
from fermodels.data.readers.discover import read_faces
from fermodels.data.readers.rows import Rows
from fermodels.errors import DataError
from tests.data.readers.test_ferplus import FACES as VOTED
from tests.data.readers.test_ferplus import VOTES, write_votes
from tests.data.readers.writers import (
    made_up,
    pixel_text,
    same,
    write_csv,
    write_folders,
    write_parquet,
)

FACES = made_up()


def write_all_parquet(folder, faces=FACES):
    for split in ("train", "validation", "test"):
        write_parquet(folder / f"{split}.parquet", faces.split(split))
    return folder


WRITERS = {
    "fer2013.csv": lambda at: write_csv(at / "fer2013.csv", FACES),
    "icml_face_data.csv": lambda at: write_csv(
        at / "icml_face_data.csv", FACES, "emotion, Usage, pixels"
    ),
    "folder of fer2013.csv": lambda at: write_csv(at / "fer2013.csv", FACES).parent,
    "image folders": lambda at: write_folders(at, FACES),
    "image folders, three splits": lambda at: write_folders(
        at, FACES, splits={"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
    ),
    "parquet": write_all_parquet,
    "parquet in data": lambda at: write_all_parquet(at / "data").parent,
    "one level deeper": lambda at: write_csv(at / "fer2013" / "fer2013.csv", FACES).parent.parent,
    "two levels deeper": lambda at: write_folders(at / "archive" / "images", FACES) and at,
}


@pytest.mark.parametrize("form", WRITERS)
def test_every_lossless_form_gives_the_same_faces_and_ids(tmp_path, form):
    (tmp_path / "fer2013").mkdir()
    faces = read_faces(WRITERS[form](tmp_path))
    assert same(faces, FACES)
    assert faces.content_hash == FACES.content_hash
    assert set(faces.ids) == set(FACES.ids)


def test_every_form_is_recognised_as_itself(tmp_path):
    forms = set()
    for name, write in {**WRITERS, "challenge": write_challenge}.items():
        (tmp_path / name / "fer2013").mkdir(parents=True)
        forms.add(discover.look(write(tmp_path / name)).form)
    assert forms == set(discover.READERS)


def test_a_path_may_be_text_and_start_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_csv(tmp_path / "fer2013.csv", FACES)
    assert same(read_faces("~/fer2013.csv"), FACES)


def test_rows_come_by_split_whatever_the_order_in_the_file(tmp_path):
    order = np.random.default_rng(0).permutation(len(FACES))
    faces = read_faces(write_csv(tmp_path / "fer2013.csv", FACES.select(order)))
    assert faces.content_hash == FACES.content_hash
    assert list(dict.fromkeys(faces.splits)) == ["train", "validation", "test"]


def test_fer2013_csv_is_preferred_and_what_is_not_read_is_noted(tmp_path):
    write_folders(tmp_path, made_up(seed=1))
    write_all_parquet(tmp_path, made_up(seed=2))
    write_csv(tmp_path / "icml_face_data.csv", made_up(seed=3), "emotion, Usage, pixels")
    write_csv(tmp_path / "fer2013.csv", FACES)
    faces = read_faces(tmp_path)
    assert same(faces, FACES)
    note = "Read fer2013.csv; not read, though beside: icml_face_data.csv, parquet files, image"
    assert any(note in written for written in faces.notes)


def write_challenge(folder):
    """The challenge's files: labelled training faces, test faces without labels."""
    write_csv(folder / "train.csv", FACES.split("train"), "emotion,pixels", quote='"')
    texts = [pixel_text(image) for image in FACES.split("test").images]
    (folder / "test.csv").write_text("pixels\n" + "\n".join(texts) + "\n")
    return folder


def test_the_challenges_train_csv_is_read_and_its_bare_test_csv_noted(tmp_path):
    faces = read_faces(write_challenge(tmp_path))
    assert len(faces) == len(FACES.split("train"))
    assert set(faces.splits) == {"train", "validation", "test"}
    notes = " ".join(faces.notes)
    assert "test.csv has no labels" in notes
    assert "no validation or test split" in notes


def test_icml_face_data_beside_the_challenges_files_is_chosen(tmp_path):
    write_challenge(tmp_path)
    write_csv(tmp_path / "icml_face_data.csv", FACES, "emotion, Usage, pixels")
    faces = read_faces(tmp_path)
    assert same(faces, FACES)
    assert "not read, though beside: test.csv, train.csv" in faces.notes[0]


def test_test_csv_alone_is_refused_for_want_of_labels(tmp_path):
    folder = write_challenge(tmp_path)
    (folder / "train.csv").unlink()
    for source in (folder, folder / "test.csv"):
        with pytest.raises(DataError, match=r"test\.csv has no labels"):
            read_faces(source)


def test_a_test_folder_whose_names_tell_nothing_costs_a_seeded_validation_split(tmp_path):
    faces = made_up((280, 70, 70))
    mixed = np.random.default_rng(0).permutation(len(faces))
    names = [f"im{number}.png" for number in mixed]
    read = [
        read_faces(write_folders(tmp_path / str(k), faces, names[k:] + names[:k])) for k in (0, 9)
    ]
    assert read[0].content_hash == read[1].content_hash
    assert [len(read[0].split(split)) for split in ("train", "validation", "test")] == [
        252,
        28,
        140,
    ]
    assert "28 for validation were held out of its 280 training faces" in read[0].notes[-1]


def test_votes_beside_the_data_join_and_follow_the_rows(tmp_path):
    write_votes(tmp_path / "fer2013new.csv")
    inside = write_csv(tmp_path / "fer2013.csv", VOTED)
    beside = write_folders(tmp_path / "folders", VOTED)
    for source in (inside, tmp_path, beside):
        faces = read_faces(source)
        assert faces.votes.dtype == np.uint8
        np.testing.assert_array_equal(faces.votes, VOTES)


def test_votes_follow_faces_that_are_held_out(tmp_path):
    write_votes(tmp_path / "fer2013new.csv")
    training = VOTED.split("train")
    faces = read_faces(write_csv(tmp_path / "train.csv", training, "emotion,pixels"))
    assert set(faces.splits) == {"train", "validation", "test"}
    votes_of = {image.tobytes(): votes for image, votes in zip(VOTED.images, VOTES, strict=True)}
    for image, votes in zip(faces.images, faces.votes, strict=True):
        np.testing.assert_array_equal(votes, votes_of[image.tobytes()])


def test_votes_that_do_not_align_are_left_out_with_a_note(tmp_path):
    write_votes(tmp_path / "fer2013new.csv")
    faces = read_faces(write_csv(tmp_path / "fer2013.csv", FACES))
    assert faces.votes is None
    assert "70 faces against 600 rows of votes" in faces.notes[-1]


def test_votes_alone_are_no_faces(tmp_path):
    path = write_votes(tmp_path / "fer2013new.csv")
    with pytest.raises(DataError, match="FER\\+ votes and no pictures"):
        read_faces(path)
    with pytest.raises(DataError, match="holds no faces in a known form"):
        read_faces(tmp_path)


def test_classes_in_alphabetical_order_are_recognised_by_their_published_counts():
    published = discover.FER2013_TRAIN_COUNTS
    labels = np.repeat(np.arange(7), published)
    alphabetical = np.array([sorted(EMOTIONS).index(name) for name in EMOTIONS])
    blank = np.zeros((len(labels), 1, 1), np.uint8)
    splits = np.full(len(labels), "train")
    rows = discover._in_fer_order(Rows(blank, alphabetical[labels], splits))
    np.testing.assert_array_equal(rows.labels, labels)
    assert "renumbered" in rows.notes[-1]
    right = Rows(blank, labels, splits)
    assert discover._in_fer_order(right) is right


def test_samples_are_read_by_their_name(monkeypatch):
    monkeypatch.setattr(samples, "read_samples", lambda: FACES)
    assert read_faces("samples") is FACES


def test_what_lies_there_is_named_when_it_holds_no_faces(tmp_path):
    for make, message in [
        (lambda: None, r"it has: nothing"),
        (lambda: (tmp_path / "fer2013.tar.gz").touch(), r"unpack fer2013\.tar\.gz first"),
        (lambda: (tmp_path / "a.jpg").touch(), r"it has: a\.jpg, fer2013\.tar\.gz"),
    ]:
        make()
        with pytest.raises(DataError, match=message):
            read_faces(tmp_path)
    with pytest.raises(DataError, match=r"no form of FER-2013 that can be read .*unpack it first"):
        read_faces(tmp_path / "fer2013.tar.gz")
    with pytest.raises(DataError, match="does not exist: give a CSV"):
        read_faces(tmp_path / "nowhere")


def test_two_datasets_in_one_folder_are_not_chosen_between(tmp_path):
    for name in ("a", "b"):
        write_folders(tmp_path / name, FACES)
    with pytest.raises(DataError, match="holds several datasets"):
        read_faces(tmp_path)


def test_two_csvs_of_one_split_are_not_chosen_between(tmp_path):
    for name in ("faces.csv", "more.csv"):
        write_csv(tmp_path / name, FACES, "emotion,pixels")
    with pytest.raises(DataError, match=r"several CSVs of one split \(faces\.csv, more\.csv\)"):
        read_faces(tmp_path)


def test_reading_needs_neither_torch_nor_gradio():
    code = (
        "import fermodels, sys; fermodels.read_faces; print({'torch', 'gradio'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_result_is_a_face_dataset_with_original_dtypes(tmp_path):
    faces = read_faces(write_csv(tmp_path / "fer2013.csv", FACES))
    assert isinstance(faces, FaceDataset)
    assert (faces.images.dtype, faces.labels.dtype) == (np.uint8, np.int64)
    assert faces.name == "fer2013.csv"
    assert faces.votes is None
