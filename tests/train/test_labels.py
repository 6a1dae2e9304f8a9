import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fermodels
from fermodels import results
from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import PROBABILITY_COLUMNS
from fermodels.data.readers.ferplus import VOTE_COLUMNS
from fermodels.errors import DataError
from fermodels.nets import catalog
from tests.toys import striped_faces, write_csv
from train.labels import (
    against_votes,
    copies_table,
    main,
    recorded_probabilities,
    summary,
    without_copies,
)

BACK = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
LABELS = (6, 3, 5, 4, 0, 1, 2)


def with_copies() -> FaceDataset:
    """Noise faces; of the test faces the first two copy training faces, the third mirrors one."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (84, 48, 48), dtype=np.uint8)
    labels = np.arange(84) % 7
    splits = np.repeat(["train", "validation", "test"], 28)
    images[56], images[57], images[58] = images[0], images[1], images[2][:, ::-1]
    images[1] = images[8]  # copies with two labels: 1, 1 and the test face's 1
    images[57] = images[8]
    images[30], labels[30] = images[29], labels[29]  # within validation
    near = images[5].astype(float) * 0.9 + rng.normal(0, 5, (48, 48))
    images[59] = near.clip(0, 255).astype(np.uint8)
    labels[8] = 4
    return FaceDataset(images, labels, splits, "copies")


def test_every_copy_is_found_with_its_training_face() -> None:
    faces = with_copies()
    table = copies_table(faces, 0.97).set_index("sample_id")
    ids = faces.ids
    assert set(table.index) == {ids[k] for k in (0, 1, 2, 5, 8, 29, 30, 56, 57, 58, 59)}
    assert table.loc[ids[56], "train_copy"] == ids[0]
    assert table.loc[ids[56], "train_correlation"] == 1.0
    assert table.loc[ids[57], "train_copy"] == ids[1]
    assert table.loc[ids[58], "train_copy"] == ids[2]
    assert table.loc[ids[58], "mirrored"]
    assert 0.97 < table.loc[ids[59], "train_correlation"] < 1
    assert pd.isna(table.loc[ids[30], "train_copy"])
    assert table.loc[ids[30], "exact_group"] == ids[29]
    assert pd.isna(table.loc[ids[58], "exact_group"])
    assert table.loc[ids[58], "near_group"] == ids[2]


def test_counts_of_copies_are_those_planted() -> None:
    faces = with_copies()
    found = summary(faces, copies_table(faces, 0.97), 0.97)
    assert found["distinct"] == len({image.tobytes() for image in faces.images}) == 80
    assert (found["exact_groups"], found["conflicting_groups"]) == (3, 1)
    assert found["faces_in_conflicting_groups"] == 3
    crossing = found["copies_of_training_faces"]
    assert crossing["validation"]["near"] == 0
    assert (crossing["test"]["exact"], crossing["test"]["near"]) == (2, 4)
    assert crossing["test"]["near_mirrored"] == 1


def test_accuracy_without_copies_counts_the_other_faces() -> None:
    faces = with_copies()
    copies = copies_table(faces, 0.97)
    scored = faces.select(faces.splits != "train")
    p = np.eye(7)[(scored.labels + 1) % 7]  # wrong everywhere
    memorised = np.isin(scored.ids, copies.loc[copies["train_copy"].notna(), "sample_id"])
    p[memorised] = np.eye(7)[scored.labels[memorised]]  # but on copies
    found = without_copies(scored, copies, {"net": p})["net"]["test"]
    assert (found["all"]["n"], found["all"]["count"]) == (28, 4)
    assert (found["without_exact_copies"]["n"], found["without_exact_copies"]["count"]) == (26, 2)
    assert (found["without_near_copies"]["n"], found["without_near_copies"]["count"]) == (24, 0)
    assert found["near_copies_only"]["share"] == 1.0


def test_agreement_with_votes_counts_faces_with_a_majority() -> None:
    faces = striped_faces(98).split("test")
    votes = np.zeros((len(faces), 10), np.uint8)
    place = {label: VOTE_COLUMNS.index(name) for name, label in zip(BACK, LABELS, strict=True)}
    for row, label in enumerate(faces.labels):
        votes[row, place[int(label)]] = 10
    votes[0] = 1  # divided
    votes[1] = np.roll(votes[1], 1)  # people say something else
    both = FaceDataset(faces.images, faces.labels, faces.splits, "voted", votes)
    double = FaceDataset(
        np.concatenate([both.images, both.images]),
        np.concatenate([both.labels, both.labels]),
        np.repeat(["validation", "test"], len(both)),
        "voted",
    )
    found = against_votes(double, np.concatenate([votes, votes]), {"net": np.eye(7)[double.labels]})
    people = found["test"]
    assert people["faces"] == len(faces)
    assert people["with_majority"] in (len(faces) - 1, len(faces) - 2)
    net = people["models"]["net"]
    assert net["against_labels"]["share"] == 1.0
    assert net["against_votes"] == people["labels"]


@pytest.fixture
def scored_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CSV of faces, and one bundled network's predictions of them."""
    monkeypatch.setenv("FER_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    path = write_csv(tmp_path / "fer2013.csv", striped_faces(490))
    faces = fermodels.read_faces(path)
    scored = faces.select(faces.splits != "train")
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(7), len(scored)) * 0.4 + 0.6 * np.eye(7)[scored.labels]
    folder = tmp_path / "checkpoints" / "shallow"
    folder.mkdir(parents=True)
    (folder / catalog.CONFIG).write_text("{}")
    about = {"split": scored.splits, "sample_id": scored.ids, "label": scored.labels}
    table = pd.DataFrame(about).join(pd.DataFrame(p, columns=PROBABILITY_COLUMNS))
    table.sample(frac=1, random_state=0).to_parquet(folder / catalog.PREDICTIONS)
    return path


def test_command_writes_ids_and_numbers_with_their_origin(scored_csv: Path) -> None:
    assert main(["--data", str(scored_csv)]) == 0
    faces = fermodels.read_faces(scored_csv)
    for name in ("duplicates", "label_doubt"):
        content = results.read_result(name)
        assert content is not None
        assert content["provenance"]["data_hash"] == faces.content_hash
        said = catalog.read_predictions(catalog.find("shallow"))
        assert content["answers"] == {"shallow": catalog.predictions_hash(said)}
    table = results.read_result_table("label_doubt")
    assert table is not None
    assert set(table["sample_id"]) == set(faces.ids[faces.splits != "train"])
    assert table["score"].between(0, 1).all()
    labels = pd.Series(faces.labels, index=faces.ids)
    assert (labels[table["sample_id"]].to_numpy() == table["label"].to_numpy()).all()
    assert results.read_result("label_votes") is None
    summary = json.loads((results.results_dir() / "label_doubt.json").read_text())
    assert summary["models"] == ["shallow"]
    assert summary["doubted"] == int(table["doubted"].sum())


def test_predictions_of_other_faces_are_refused(
    scored_csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_csv(scored_csv.with_name("other.csv"), striped_faces(490, seed=9))
    assert main(["--data", str(other)]) == 2
    assert "other faces" in capsys.readouterr().err
    faces = fermodels.read_faces(other)
    with pytest.raises(DataError, match="trained on"):
        recorded_probabilities(catalog.find("shallow"), faces.select(faces.splits != "train"))
