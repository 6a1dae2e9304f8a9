"""A studio with two tiny networks and a few drawn faces: enough to walk through every room."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from fermodels.data.emotions import EMOTIONS
from fermodels.nets import checkpoint
from fermodels.nets.catalog import History
from fermodels.nets.config import ConvSpec, FCSpec, NetConfig
from fermodels.nets.fernet import FERNet
from tests.toys import tiny_history, tiny_predictions

ROOT = Path(__file__).resolve().parents[2]
LAYERS = (ConvSpec(4, 3, pool=2), ConvSpec(6, 3, pool=4))
EPOCHS = 3


def write_studio(folder: Path) -> tuple[Path, Path]:
    """Write checkpoints ``shallow`` and ``hybrid-shallow`` and a face folder; return both paths."""
    torch.manual_seed(0)
    shelf, faces = folder / "checkpoints", folder / "faces"
    for name, hog in (("shallow", False), ("hybrid-shallow", True)):
        net = FERNet(NetConfig(LAYERS, (FCSpec(8),), hog=hog)).eval()
        with torch.no_grad():
            net.mean_face.copy_(0.5 + 0.1 * torch.rand(1, 1, 48, 48))
            net.get_parameter("classifier.weight").mul_(30)
        write_checkpoint(shelf / name, net)
    write_faces(faces)
    return shelf, faces


def write_checkpoint(folder: Path, net: FERNet) -> None:
    """Write, or replace, a checkpoint with a history of three epochs in which the filters grow."""
    kernel = net.get_parameter("conv1.conv.weight").detach()
    epochs = pd.DataFrame([_epoch(number, kernel) for number in range(1, EPOCHS + 1)])
    identity = {"variant": folder.name, "recipe": "paper", "name": folder.name}
    metrics = {"variant": folder.name, "parameters": net.parameter_count}
    checkpoint.save(
        folder, net, identity, metrics, History(tiny_history().steps, epochs), tiny_predictions(),
        "toy", checkpoint.not_a_checkpoint,
    )  # fmt: skip


def _epoch(number: int, kernel: torch.Tensor) -> dict[str, object]:
    grown = (kernel * number / EPOCHS).flatten().tolist()
    return {
        "epoch": number,
        "train_loss": 1.9,
        "validation_loss": 1.9,
        "train_clean_accuracy": 0.2,
        "validation_accuracy": 0.2,
        "layers": ["conv1", "conv2"],
        "sparsity": [0.1 * number, 0.2 * number],
        "entropy": [0.9, 0.8],
        "filters": grown,
        "filters_shape": list(kernel.shape),
    }


def write_faces(folder: Path) -> None:
    """Write two drawn faces per expression: a head, two eyes and a mouth that differs."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:48, :48]
    head = ((rows - 24) ** 2 / 22**2 + (columns - 24) ** 2 / 17**2) < 1
    for number, label in enumerate(EMOTIONS):
        for split in ("train", "validation", "test"):
            face = np.where(head, 170, 60) + rng.normal(0, 9, (48, 48))
            face[17:20, 15:20] = face[17:20, 28:33] = 30
            face[33 : 34 + number, 18:30] = 50
            place = folder / split / label
            place.mkdir(parents=True)
            pixels = np.clip(face, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(place / f"{number}.png")


def open_room(room: str, faces: Path, **query: str | list[str]) -> AppTest:
    """Run a room with the given query parameters; fails if it shows an exception."""
    app = AppTest.from_file(str(ROOT / "studio" / "Home.py"), default_timeout=120)
    app.query_params["data"] = str(faces)
    for key, value in query.items():
        app.query_params[key] = value
    app.switch_page(f"../pages/{room}.py").run()
    return healthy(app)


def healthy(app: AppTest) -> AppTest:
    """Return the app, failing on an exception box."""
    assert not app.exception, app.exception[0].message
    return app


def html_of(app: AppTest) -> str:
    """Return all of a page's own HTML, joined."""
    return "\n".join(element.proto.body for element in app.get("html"))


def chart(app: AppTest, number: int) -> dict[str, Any]:
    """Return a plotly chart's specification."""
    spec: dict[str, Any] = json.loads(app.get("plotly_chart")[number].proto.spec)
    return spec
