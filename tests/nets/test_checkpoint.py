import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

import fermodels
from fermodels.errors import CheckpointError
from fermodels.nets import catalog, checkpoint
from tests.toys import tiny_history, tiny_net, tiny_predictions

FACES = np.random.default_rng(0).integers(0, 256, (4, 48, 48), dtype=np.uint8)


def write(folder: Path, seed: int = 0, **changes: Any) -> Path:
    history = tiny_history()
    history.epochs["filters"] = [[0.1, 0.2, 0.3, 0.4]]
    history.epochs["filters_shape"] = [[4, 1, 1, 1]]
    checkpoint.save(
        folder, tiny_net(seed, **changes), {"variant": "mine", "recipe": "toy"}, {"test": {}},
        history, tiny_predictions(), "# card\n",
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("hog", [False, True])
def test_a_loaded_model_predicts_as_the_saved_one(tmp_path: Path, hog: bool) -> None:
    folder = write(tmp_path / "mine", hog=hog)
    loaded = fermodels.load(folder)
    assert not loaded.training
    # float16 storage costs at most a few thousandths of probability
    np.testing.assert_allclose(loaded.predict(FACES), tiny_net(hog=hog).predict(FACES), atol=5e-3)
    assert {p.name for p in folder.iterdir()} == set(catalog.FILES)


def test_history_and_tables_come_back(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine")
    history = catalog.read_history(folder)
    assert history.steps["loss"].tolist() == [1.9, 1.8]
    assert history.steps["step"].dtype.kind == "i"
    assert list(history.epochs["filters"][0]) == [0.1, 0.2, 0.3, 0.4]
    assert catalog.read_predictions(folder)["label"].tolist() == [3, 3]


def test_unknown_names_list_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "mine")
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path))
    assert list(catalog.available()) == ["mine"]
    with pytest.raises(CheckpointError, match="no checkpoint 'yours': bundled are mine"):
        fermodels.load("yours")


def damage_truncate(folder: Path) -> None:
    path = folder / catalog.WEIGHTS
    path.write_bytes(path.read_bytes()[:-7])


def damage_drop(folder: Path) -> None:
    state = load_file(folder / catalog.WEIGHTS)
    state.pop("classifier.bias")
    save_file(state, folder / catalog.WEIGHTS)


def damage_nan(folder: Path) -> None:
    state = load_file(folder / catalog.WEIGHTS)
    state["classifier.bias"][0] = torch.nan
    save_file(state, folder / catalog.WEIGHTS)


def damage_shape(folder: Path) -> None:
    state = load_file(folder / catalog.WEIGHTS)
    state["classifier.bias"] = torch.zeros(8, dtype=torch.float16)
    save_file(state, folder / catalog.WEIGHTS)


def damage_config(folder: Path) -> None:
    raw = json.loads((folder / catalog.CONFIG).read_text())
    raw["network"]["conv"][0]["filters"] = 10**12
    (folder / catalog.CONFIG).write_text(json.dumps(raw))


def damage_json(folder: Path) -> None:
    (folder / catalog.CONFIG).write_text("{")


def damage_format(folder: Path) -> None:
    (folder / catalog.CONFIG).write_text("{}")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_truncate, "cannot read"),
        (damage_drop, r"lacks tensors \['classifier.bias'\]"),
        (damage_nan, "classifier.bias holds values that are not finite"),
        (damage_shape, r"classifier.bias has shape \(8,\)"),
        (damage_config, "filters is 1000000000000"),
        (damage_json, "cannot read"),
        (damage_format, "format None"),
    ],
)
def test_a_damaged_checkpoint_never_loads(tmp_path: Path, damage: Any, message: str) -> None:
    folder = write(tmp_path / "mine")
    damage(folder)
    with pytest.raises(CheckpointError, match=message):
        fermodels.load(folder)


def test_a_full_disk_leaves_the_old_checkpoint_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "mine", seed=0)
    before = fermodels.load(folder).predict(FACES)

    def no_space(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", no_space)
    with pytest.raises(OSError, match="No space left"):
        write(folder, seed=1)
    assert np.array_equal(fermodels.load(folder).predict(FACES), before)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_revision_belongs_to_the_hub(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="goes with hub:owner/repo"):
        fermodels.load(write(tmp_path / "mine"), revision="main")
