"""A shelf of two checkpoints without weights, and faces they were scored on, for the rooms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from streamlit.testing.v1 import AppTest

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from fermodels.data.readers.discover import read_faces
from fermodels.evaluation.metrics import score
from tests.toys import ROOT

PER_CLASS = 3
SHARE_RIGHT = {"shallow": 0.5, "deep": 0.8}


def write_faces(folder: Path) -> FaceDataset:
    """Write noise faces, three per expression and split, as class folders; return them read."""
    rng = np.random.default_rng(0)
    for split in ("train", "validation", "test"):
        for name in EMOTIONS:
            place = folder / split / name
            place.mkdir(parents=True)
            for number in range(PER_CLASS):
                pixels = rng.integers(0, 256, (48, 48), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
    return read_faces(folder)


def write_shelf(folder: Path, faces: FaceDataset) -> None:
    """Write ``shallow`` and ``deep``: figures, histories and predictions, no weights."""
    for seed, (name, right) in enumerate(SHARE_RIGHT.items()):
        place = folder / name
        place.mkdir(parents=True)
        (place / "config.json").write_text("{}")
        table = predictions(faces, right, seed)
        table.to_parquet(place / "predictions.parquet")
        history(seed).to_parquet(place / "history.parquet")
        (place / "metrics.json").write_text(json.dumps(metrics(name, table)))


def predictions(faces: FaceDataset, right: float, seed: int) -> pd.DataFrame:
    """Predict validation and test faces, right in about a share of the cases."""
    rng = np.random.default_rng(seed)
    part = faces.select(faces.splits != "train")
    hit = rng.random(len(part)) < right
    guess = np.where(hit, part.labels, (part.labels + 1) % 7)
    p = np.full((len(part), 7), 0.05)
    p[np.arange(len(part)), guess] = 0.7
    names = [f"p_{name}" for name in EMOTIONS]
    about = {"split": part.splits, "sample_id": part.ids, "label": part.labels}
    return pd.concat([pd.DataFrame(about), pd.DataFrame(p, columns=names)], axis=1)


def history(seed: int) -> pd.DataFrame:
    """Return twelve steps and three epochs in the layout of ``history.parquet``."""
    rng = np.random.default_rng(seed)
    steps = pd.DataFrame({"step": range(1, 13), "epoch": np.repeat([1, 2, 3], 4)})
    steps = steps.assign(loss=2 - 0.1 * steps["step"], accuracy=rng.random(12), kind="step")
    epochs = pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "train_loss": [1.9, 1.5, 1.0],
            "validation_loss": [1.9, 1.6, 1.7],
            "train_clean_accuracy": [0.2, 0.5, 0.8],
            "validation_accuracy": [0.2, 0.4, 0.5],
            "layers": [["conv1", "conv2"]] * 3,
            "sparsity": [[0.4, 0.5], [0.5, 0.6], [0.6, 0.7]],
            "entropy": [[0.9, 0.8], [0.8, 0.7], [0.7, 0.6]],
            "confusion_matrix": [rng.integers(0, 9, 49).tolist() for _ in range(3)],
            "kind": "epoch",
        }
    )
    return pd.concat([steps, epochs], ignore_index=True)


def metrics(name: str, table: pd.DataFrame) -> dict[str, object]:
    """Return a ``metrics.json`` whose scores belong to the predictions."""
    columns = [f"p_{e}" for e in EMOTIONS]
    found: dict[str, object] = {
        "variant": name,
        "recipe": "toy",
        "parameters": 1_234_567,
        "best_epoch": 2,
        "epochs": 3,
        "training_seconds": 120.0,
        "images_per_second": 99.0,
        "sanity": {
            "initial_loss": 1.9459,
            "expected_initial_loss": 1.9459,
            "overfit_accuracy": 1.0,
            "overfit_faces": 70,
            "overfit_steps": 12,
        },
        "provenance": {
            "seed": 7,
            "data_name": "toys",
            "data_hash": "cafe",
            "git_revision": "none",
            "versions": {"torch": "2"},
            "created": "2026-11-23",
        },
    }
    for split in ("validation", "test"):
        rows = table[table["split"] == split]
        found[split] = score(rows["label"].to_numpy(), rows[columns].to_numpy())
    return found


def open_room(room: str, faces: Path, **query: str) -> AppTest:
    """Run a room with the given query parameters; fails if it shows an exception."""
    app = AppTest.from_file(str(ROOT / "studio" / "Home.py"), default_timeout=120)
    app.query_params["data"] = str(faces)
    for key, value in query.items():
        app.query_params[key] = value
    if room != "home":
        app.switch_page(f"../pages/{room}.py")
    app.run()
    assert not app.exception, app.exception[0].message
    return app


def text_of(app: AppTest) -> str:
    """Return all of a page's written words and HTML."""
    html = [element.proto.body for element in app.get("html")]
    kinds = (app.title, app.subheader, app.markdown, app.caption, app.info, app.error)
    return "\n".join([str(e.value) for kind in kinds for e in kind] + html)


def numbers_of(traces: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """Return what a drawn heat map has written on its cells: (row, column) -> text."""
    told = [trace for trace in traces if trace.get("mode") == "text"]
    return {
        (y, x): text
        for trace in told
        for x, y, text in zip(trace["x"], trace["y"], trace["text"], strict=True)
    }
