"""A stranger's records: whatever they hold, a reader gets a valid record or one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fermodels.errors import CheckpointError
from fermodels.evaluation.calibration import read_temperature
from fermodels.nets import catalog
from tests.studio import shelf_of_toys, toy_studio
from tests.studio.shelf_of_toys import text_of

Change = Callable[[Any], Any]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sound networks' records and the faces they were scored on."""
    place = tmp_path_factory.mktemp("records")
    shelf_of_toys.write_shelf(place / "shelf", shelf_of_toys.write_faces(place / "faces"))
    return place


@pytest.fixture
def place(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `whole`, to be spoilt, as the studio's own."""
    shutil.copytree(whole, tmp_path / "place")
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path / "place" / "shelf"))
    return tmp_path / "place"


def at(*keys: str | int, value: Any) -> Change:
    """Return what puts a value into nested JSON."""

    def change(metrics: Any) -> Any:
        inner = metrics
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        return metrics

    return change


def without(*keys: str) -> Change:
    """Return what drops a key of nested JSON."""

    def change(metrics: Any) -> Any:
        inner = metrics
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]
        return metrics

    return change


METRICS: dict[str, Change] = {
    "an accuracy in words": at("test", "accuracy", value="high"),
    "an accuracy above 1": at("test", "accuracy", value=1.5),
    "an accuracy that is true": at("test", "accuracy", value=True),
    "no interval": at("test", "interval", value=None),
    "an interval of three": at("test", "interval", value=[0.1, 0.2, 0.3]),
    "an interval of words": at("validation", "interval", value=["a", "b"]),
    "no faces": at("test", "n", value=0),
    "faces in words": at("test", "n", value="3589"),
    "a fraction of a face": at("test", "n", value=3589.5),
    "a split that is a list": at("test", value=[1]),
    "a split that is null": at("test", value=None),
    "a split that is empty": at("validation", value={}),
    "a matrix of six": at("test", "confusion_matrix", value=[[0] * 6] * 6),
    "a matrix of words": at("test", "confusion_matrix", value=[["x"] * 7] * 7),
    "a matrix of other faces": at("test", "confusion_matrix", value=[[9] * 7] * 7),
    "a matrix below zero": at("test", "confusion_matrix", 0, value=[-1] * 7),
    "a matrix that is flat": at("test", "confusion_matrix", value=[0] * 49),
    "an expression missing": without("test", "per_class", "fear"),
    "an expression in words": at("test", "per_class", "fear", value="bad"),
    "an expression's interval": at("test", "per_class", "fear", "interval", value=[]),
    "epochs 0": at("epochs", value=0),
    "epochs -1": at("epochs", value=-1),
    "epochs in words": at("epochs", value="many"),
    "the best epoch beyond the last": at("best_epoch", value=99),
    "parameters null": at("parameters", value=None),
    "a variant that is a list": at("variant", value=["shallow"]),
    "a recipe without end": at("recipe", value="x" * 100_000),
    "seconds below zero": at("training_seconds", value=-5),
    "sanity in words": at("sanity", value="fine"),
    "sanity incomplete": without("sanity", "initial_loss"),
    "provenance empty": at("provenance", value={}),
    "versions a list": at("provenance", "versions", value=["torch"]),
    "versions of numbers": at("provenance", "versions", value={"torch": 2}),
    "views incomplete": at("views", value={"ten": {}}),
    "views null": at("views", value=None),
}


def spoil_metrics(folder: Path, name: str) -> None:
    path = folder / catalog.METRICS
    path.write_text(json.dumps(METRICS[name](json.loads(path.read_text()))))


@pytest.mark.parametrize("name", METRICS)
def test_odd_metrics_are_one_sentence(place: Path, name: str) -> None:
    folder = place / "shelf" / "deep"
    assert catalog.read_metrics(folder)["test"]["n"] > 0
    spoil_metrics(folder, name)
    assert_said(lambda: catalog.read_metrics(folder), "metrics.json of deep")


def assert_said(read: Callable[[], object], called: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        read()
    text = str(caught.value)
    assert called in text and "\n" not in text and len(text) < 500 and "/tmp" not in text


@pytest.mark.parametrize("temperature", ["1.5", True, 0, -1, 1e-300, 1e300, [1]])
def test_an_odd_temperature_is_one_sentence(place: Path, temperature: object) -> None:
    folder = place / "shelf" / "deep"
    metrics = json.loads((folder / catalog.METRICS).read_text())
    found = metrics | {"calibration": {"temperature": temperature}}
    (folder / catalog.METRICS).write_text(json.dumps(found))
    assert_said(lambda: read_temperature(folder), "temperature")


@pytest.mark.parametrize("key", ["variant", "sanity", "provenance", "test", "best_epoch"])
def test_what_metrics_lack_is_said_to_who_asks_for_it(place: Path, key: str) -> None:
    folder = place / "shelf" / "deep"
    metrics = json.loads((folder / catalog.METRICS).read_text())
    del metrics[key]
    (folder / catalog.METRICS).write_text(json.dumps(metrics))
    found = catalog.read_metrics(folder)
    assert found.get(key) is None
    assert_said(lambda: found[key], f"metrics.json of deep has no '{key}'")


def column(name: str, value: Any) -> Change:
    """Return what puts one value into every row of a column."""
    return lambda table: table.assign(**{name: [value] * len(table)})


def epochs_only(name: str, value: Any) -> Change:
    """Return what puts one value into a column of the epochs' rows."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        cells = [value if kind == "epoch" else None for kind in table["kind"]]
        return table.assign(**{name: cells})

    return change


def first_row(name: str, value: Any) -> Change:
    """Return what puts a value into a column's first row."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.copy()
        table.loc[0, name] = value
        return table

    return change


PREDICTIONS: dict[str, Change] = {
    "no rows": lambda t: t.head(0),
    "no columns": lambda t: t[[]],
    "no split": lambda t: t.drop(columns="split"),
    "no label": lambda t: t.drop(columns="label"),
    "no probability of fear": lambda t: t.drop(columns="p_fear"),
    "probabilities in words": column("p_fear", "0.1"),
    "probabilities of lists": column("p_fear", [0.1, 0.2]),
    "probabilities NaN": first_row("p_fear", np.nan),
    "probabilities infinite": first_row("p_fear", np.inf),
    "probabilities below zero": first_row("p_fear", -0.5),
    "probabilities of sum 3": column("p_fear", 0.9),
    "labels 9": column("label", 9),
    "labels -1": column("label", -1),
    "labels in words": column("label", "fear"),
    "labels in fractions": column("label", 0.5),
    "labels missing": column("label", None),
    "labels dates": column("label", pd.Timestamp("2026-01-01")),
    "labels true": column("label", True),
    "an unknown split": column("split", "../etc"),
    "splits in numbers": column("split", 3),
    "splits missing": first_row("split", None),
    "the test split alone": lambda t: t[t["split"] == "test"],
    "ids in numbers": column("sample_id", 7),
    "ids missing": column("sample_id", None),
    "ids all the same": column("sample_id", "test-1"),
    "ids without end": first_row("sample_id", "x" * 10_000),
    "splits as a category": lambda t: t.astype({"split": "category"}),
}


@pytest.mark.parametrize("name", PREDICTIONS)
def test_odd_predictions_are_one_sentence(place: Path, name: str) -> None:
    folder = place / "shelf" / "deep"
    table = catalog.read_predictions(folder)
    PREDICTIONS[name](table).to_parquet(folder / catalog.PREDICTIONS)
    assert_said(lambda: catalog.read_predictions(folder), "predictions.parquet of deep")


HISTORIES: dict[str, Change] = {
    "no rows": lambda t: t.head(0),
    "no kind": lambda t: t.drop(columns="kind"),
    "kinds in numbers": column("kind", 1),
    "no steps": lambda t: t[t["kind"] == "epoch"],
    "no epochs": lambda t: t[t["kind"] == "step"],
    "no loss": lambda t: t.drop(columns="loss"),
    "no validation loss": lambda t: t.drop(columns="validation_loss"),
    "no layers": lambda t: t.drop(columns="layers"),
    "losses in words": column("train_loss", "low"),
    "losses of lists": column("loss", [1.0]),
    "accuracies of 50": column("validation_accuracy", 50.0),
    "epochs all 0": column("epoch", 0),
    "epochs all -1": column("epoch", -1),
    "epochs all 3": column("epoch", 3),
    "epochs in halves": column("epoch", 0.5),
    "epochs missing": column("epoch", None),
    "epochs in words": column("epoch", "first"),
    "steps below zero": column("step", -1),
    "steps infinite": column("step", np.inf),
    "layers in numbers": epochs_only("layers", [1, 2]),
    "layers in one word": epochs_only("layers", "conv1"),
    "no layer": epochs_only("layers", []),
    "layers missing a name": epochs_only("layers", ["conv1", None]),
    "layers of markup": epochs_only("layers", ["<script>", "conv2"]),
    "a thousand layers": epochs_only("layers", ["conv1"] * 1000),
    "sparsity of three layers": epochs_only("sparsity", [0.1, 0.2, 0.3]),
    "sparsity of one number": epochs_only("sparsity", 0.1),
    "sparsity in words": epochs_only("sparsity", ["a", "b"]),
    "sparsity of 7": epochs_only("sparsity", [7.0, 7.0]),
    "entropy nested": epochs_only("entropy", [[0.1], [0.2]]),
    "entropy missing once": lambda t: t.assign(
        entropy=[None if e == 2 else v for e, v in zip(t["epoch"], t["entropy"], strict=True)]
    ),
    "a matrix of six": epochs_only("confusion_matrix", [0] * 36),
    "a matrix nested": epochs_only("confusion_matrix", [[0] * 7] * 7),
    "a matrix below zero": epochs_only("confusion_matrix", [-1] * 49),
    "a matrix of NaN": epochs_only("confusion_matrix", [np.nan] * 49),
    "filters without shape": epochs_only("filters", [0.1] * 9),
    "filters of another shape": lambda t: epochs_only("filters_shape", [4, 1, 3, 3])(
        epochs_only("filters", [0.1] * 9)(t)
    ),
    "filters of colour": lambda t: epochs_only("filters_shape", [1, 3, 3, 1])(
        epochs_only("filters", [0.1] * 9)(t)
    ),
    "filters of a shape of words": lambda t: epochs_only("filters_shape", ["1", "1", "3", "3"])(
        epochs_only("filters", [0.1] * 9)(t)
    ),
    "filters infinite": lambda t: epochs_only("filters_shape", [1, 1, 3, 3])(
        epochs_only("filters", [np.inf] * 9)(t)
    ),
}


def spoil_history(folder: Path, name: str) -> None:
    path = folder / catalog.HISTORY
    HISTORIES[name](pd.read_parquet(path)).to_parquet(path)


@pytest.mark.parametrize("name", HISTORIES)
def test_odd_histories_are_one_sentence(place: Path, name: str) -> None:
    folder = place / "shelf" / "deep"
    assert len(catalog.read_history(folder).epochs) == 3
    spoil_history(folder, name)
    assert_said(lambda: catalog.read_history(folder), "history.parquet of deep")


def test_records_of_a_million_rows_or_of_gigabytes_are_refused_before_they_are_read(
    place: Path,
) -> None:
    folder = place / "shelf" / "deep"
    zeros = np.zeros(1_100_000, np.int8)
    table = pa.table(dict.fromkeys(("kind", "split", "label", "step", "loss"), zeros))
    text = pa.DictionaryArray.from_arrays(np.zeros(900, np.int32), pa.array(["x" * 900_000]))
    long = pa.table({"kind": text, "split": text, "sample_id": text})
    before = pa.total_allocated_bytes()
    for bomb in (table, long):
        for file, read in ((catalog.HISTORY, catalog.read_history),
                           (catalog.PREDICTIONS, catalog.read_predictions)):  # fmt: skip
            pq.write_table(bomb, folder / file, store_schema=False)
            assert (folder / file).stat().st_size < 1_000_000
            assert_said(lambda read=read: read(folder), f"{file} of deep")  # type: ignore[misc]
            assert pa.total_allocated_bytes() - before < 150_000_000


def test_columns_that_nobody_reads_are_left_out(place: Path) -> None:
    folder = place / "shelf" / "deep"
    table = catalog.read_predictions(folder)
    table.assign(secret="x" * 999).to_parquet(folder / catalog.PREDICTIONS)
    assert catalog.read_predictions(folder).equals(table)


WALKS: list[tuple[str, dict[str, str], str, str]] = [
    ("home", {}, "metrics", "an accuracy in words"),
    ("home", {}, "metrics", "a variant that is a list"),
    ("dataset", {"asked": "deep", "outcome": "wrong"}, "predictions", "no label"),
    ("compare", {}, "metrics", "a matrix of six"),
    ("compare", {}, "predictions", "labels 9"),
    ("compare", {}, "predictions", "the test split alone"),
    ("compare", {"view": "difference"}, "metrics", "an expression missing"),
    ("training", {}, "history", "sparsity of three layers"),
    ("training", {}, "history", "losses in words"),
    ("training", {}, "history", "no epochs"),
    ("training", {}, "metrics", "sanity incomplete"),
    ("training", {}, "metrics", "provenance empty"),
]


@pytest.mark.parametrize(("room", "query", "record", "name"), WALKS)
def test_a_room_with_an_odd_record_shows_its_sentence(
    place: Path, room: str, query: dict[str, str], record: str, name: str
) -> None:
    folder = place / "shelf" / "deep"
    if record == "metrics":
        spoil_metrics(folder, name)
    elif record == "history":
        spoil_history(folder, name)
    else:
        table = catalog.read_predictions(folder)
        PREDICTIONS[name](table).to_parquet(folder / catalog.PREDICTIONS)
    app = shelf_of_toys.open_room(room, place / "faces", **query)  # fails on an exception
    assert len(app.error) == 1
    assert f"{record}." in app.error[0].value and " of deep" in app.error[0].value
    assert str(place) not in app.error[0].value


@pytest.mark.parametrize("key", ["variant", "recipe", "sanity", "provenance", "test", "epochs"])
@pytest.mark.parametrize("room", ["home", "compare", "training"])
def test_a_room_says_what_metrics_lack(place: Path, room: str, key: str) -> None:
    folder = place / "shelf" / "deep"
    metrics = json.loads((folder / catalog.METRICS).read_text())
    del metrics[key]
    (folder / catalog.METRICS).write_text(json.dumps(metrics))
    app = shelf_of_toys.open_room(room, place / "faces")
    assert all(f"metrics.json of deep has no '{key}'" in error.value for error in app.error)
    assert len(app.error) <= 1


@pytest.mark.parametrize("room", ["filters", "activations"])
def test_a_room_of_layers_with_an_odd_history_shows_its_sentence(
    room: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints, faces = toy_studio.write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(checkpoints))
    spoil_history(checkpoints / "shallow", "sparsity of one number")
    app = toy_studio.open_room(room, faces, model="shallow")
    assert ["history.parquet of shallow" in error.value for error in app.error] == [True]
    assert str(tmp_path) not in app.error[0].value


ODD_BUT_TRUE: dict[str, Change] = {
    "a loss that ran away": column("loss", np.inf),
    "losses that are NaN": lambda t: t.assign(loss=np.nan, train_loss=np.nan),
    "silent layers": epochs_only("entropy", [np.nan, np.nan]),
    "an empty matrix": epochs_only("confusion_matrix", [0] * 49),
    "filters of zeros": lambda t: epochs_only("filters_shape", [1, 1, 3, 3])(
        epochs_only("filters", [0.0] * 9)(t)
    ),
    "one epoch": lambda t: t[(t["kind"] == "step") | (t["epoch"] == 1)],
    "one step": lambda t: t[(t["kind"] == "epoch") | (t["step"] == 1)],
}


@pytest.mark.parametrize("name", ODD_BUT_TRUE)
def test_rooms_stand_with_a_history_that_is_odd_but_true(
    name: str, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place / "shelf" / "deep" / catalog.HISTORY
    ODD_BUT_TRUE[name](pd.read_parquet(path)).to_parquet(path)
    app = shelf_of_toys.open_room("training", place / "faces", models="deep")
    assert not app.error and "Per epoch" in text_of(app)
    checkpoints, faces = toy_studio.write_studio(tmp_path / "toys")
    monkeypatch.setenv("FER_CHECKPOINTS", str(checkpoints))
    path = checkpoints / "shallow" / catalog.HISTORY
    ODD_BUT_TRUE[name](pd.read_parquet(path)).to_parquet(path)
    assert not toy_studio.open_room("filters", faces, model="shallow").error
