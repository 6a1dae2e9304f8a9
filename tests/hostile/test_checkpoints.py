"""A stranger's checkpoint: NaN, lying headers, absurd sizes, deep JSON. One sentence, no harm."""

from __future__ import annotations

import json
import shutil
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fermodels import files, hub
from fermodels.data.emotions import EMOTIONS
from fermodels.errors import CheckpointError, ConfigError, FerError, HubError
from fermodels.nets import catalog, checkpoint
from fermodels.nets.config import (
    HOG_VALUES,
    MAX_MULTIPLY_ADDS,
    MAX_VALUES,
    ConvSpec,
    FCSpec,
    NetConfig,
)
from fermodels.nets.variants import VARIANTS
from studio.classify_tab.reading import networks
from tests.toys import tiny_net


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound checkpoint, to be spoilt."""
    none = pd.DataFrame({"step": [1]})
    checkpoint.save(
        tmp_path / "net", tiny_net(), {"variant": "shallow"}, {}, catalog.History(none, none),
        none, "card",
    )  # fmt: skip
    return tmp_path / "net"


def refused(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(folder)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 1500
    return text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(folder: Path, value: float) -> None:
    state = checkpoint.half_weights(tiny_net())
    state["classifier.bias"][3] = value
    save_file(state, folder / "model.safetensors")
    assert "classifier.bias" in refused(folder)


def header(content: object, length: int | None = None, body: bytes = b"") -> bytes:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


LIES = {
    "empty": b"",
    "length alone": struct.pack("<Q", 8),
    "header longer than the file": header({}, length=10_000),
    "header of 2^63 bytes": header({}, length=2**63),
    "header that is no JSON": header(b"{]"),
    "header deeper than any stack": header(b'{"a":' * 50_000),
    "tensor beyond the file": header(
        {"classifier.bias": {"dtype": "F32", "shape": [7], "data_offsets": [0, 28]}}
    ),
    "tensor of another size than its bytes": header(
        {"classifier.bias": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 28]}},
        body=bytes(28),
    ),
    "shape that overflows": header(
        {"classifier.bias": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 28]}},
        body=bytes(28),
    ),
    "overlapping tensors": header(
        {
            name: {"dtype": "F32", "shape": [7], "data_offsets": [0, 28]}
            for name in ("classifier.bias", "classifier.weight")
        },
        body=bytes(28),
    ),
    "unknown type": header(
        {"classifier.bias": {"dtype": "EXEC", "shape": [7], "data_offsets": [0, 28]}},
        body=bytes(28),
    ),
    "negative offset": header(
        {"classifier.bias": {"dtype": "F32", "shape": [7], "data_offsets": [-28, 0]}}
    ),
    "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "zip as torch.save writes": b"PK\x03\x04" + bytes(100),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lying_weights_file_is_refused(folder: Path, name: str) -> None:
    (folder / "model.safetensors").write_bytes(LIES[name])
    refused(folder)


def alter(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "extra network key": lambda c: c["network"].update(evil=1),
    "extra layer key": lambda c: c["network"]["conv"][0].update(__class__="x"),
    "missing key": lambda c: c["network"].pop("fc"),
    "another format": lambda c: c.update(format="x"),
    "network is a list": lambda c: c.update(network=[]),
    "layers are a number": lambda c: c["network"].update(conv=3),
    "filters absurd": lambda c: c["network"]["conv"][0].update(filters=10**12),
    "filters negative": lambda c: c["network"]["conv"][0].update(filters=-1),
    "filters a string": lambda c: c["network"]["conv"][0].update(filters="4"),
    "batch norm a word": lambda c: c["network"]["conv"][0].update(batch_norm="no"),
    "batch norm a number": lambda c: c["network"]["conv"][0].update(batch_norm=1),
    "batch norm null": lambda c: c["network"]["fc"][0].update(batch_norm=None),
    "hog a word": lambda c: c["network"].update(hog="no"),
    "hog a number": lambda c: c["network"].update(hog=0),
    "hog null": lambda c: c["network"].update(hog=None),
    "dropout true": lambda c: c["network"]["conv"][0].update(dropout=True),
    "dropout false": lambda c: c["network"]["fc"][0].update(dropout=False),
    "dropout a word": lambda c: c["network"]["fc"][0].update(dropout="0.5"),
    "filters a fraction": lambda c: c["network"]["conv"][0].update(filters=4.0),
    "filters true": lambda c: c["network"]["conv"][0].update(filters=True),
    "kernel even": lambda c: c["network"]["conv"][0].update(kernel=4),
    "dropout not a number": lambda c: c["network"]["conv"][0].update(dropout=float("nan")),
    "dropout a list": lambda c: c["network"]["conv"][0].update(dropout=[]),
    "a thousand layers": lambda c: c["network"].update(conv=c["network"]["conv"][:1] * 1000),
    "no layer": lambda c: c["network"].update(conv=[]),
    "pooled to nothing": lambda c: c["network"]["conv"][0].update(stride=8, pool=8),
    "unknown dropout": lambda c: c["network"].update(dropout_kind=["x"]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_strange_config_is_refused(folder: Path, name: str) -> None:
    alter(folder, CHANGES[name])
    refused(folder)


def test_a_config_within_range_but_of_terabytes_is_refused_before_it_is_built(
    folder: Path,
) -> None:
    wide = {"filters": 16_384, "kernel": 15, "pool": 0}
    alter(folder, lambda c: [layer.update(wide) for layer in c["network"]["conv"]])
    tracemalloc.start()
    try:
        assert "values that one face becomes" in refused(folder)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8_000_000


COSTLY: dict[str, tuple[list[dict[str, int]], str]] = {
    "wide maps": ([{"filters": 4096, "pool": 0}], "values that one face becomes"),
    "maps that grow with every layer": (
        [{"filters": 1, "kernel": 1, "padding": 15, "pool": 0}] * 32,
        "values that one face becomes",
    ),
    "many products": (
        [{"filters": 512, "kernel": 15, "pool": 2}, {"filters": 512, "kernel": 15, "pool": 2}],
        "multiply-adds",
    ),
}


@pytest.mark.parametrize("hog", [False, True])
@pytest.mark.parametrize("name", COSTLY)
def test_a_config_that_asks_much_of_a_face_is_refused_before_it_is_built(
    folder: Path, name: str, hog: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """113 kilobytes of files asked 51.7 GB for one face."""
    layers, said = COSTLY[name]
    usual = {"filters": 8, "kernel": 3, "stride": 1, "padding": -1, "batch_norm": True,
             "dropout": 0.0, "pool": 2}  # fmt: skip
    alter(folder, lambda c: c["network"].update(conv=[usual | layer for layer in layers], hog=hog))

    def built(*_: object) -> None:
        raise AssertionError("it was built")

    monkeypatch.setattr(checkpoint, "FERNet", built)
    assert said in refused(folder)
    with pytest.raises(CheckpointError, match=said):
        checkpoint.load_uploaded(
            (folder / "config.json").read_bytes(), (folder / "model.safetensors").read_bytes()
        )


def test_the_papers_networks_and_wider_ones_stay_far_below_the_bounds() -> None:
    for variant in VARIANTS.values():
        values, multiply_adds = variant.config.cost
        assert 7 * values < MAX_VALUES and 20 * multiply_adds < MAX_MULTIPLY_ADDS
    wide = NetConfig(tuple(ConvSpec(512, 5) for _ in range(4)), (FCSpec(4096), FCSpec(4096)))
    assert max(wide.cost) > 0


@pytest.mark.parametrize("hog", [False, True])
def test_the_cost_of_a_face_is_what_a_pass_holds(hog: bool) -> None:
    net = tiny_net(hog=hog)
    sizes: list[int] = []
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.BatchNorm1d, nn.ReLU, nn.MaxPool2d, nn.Linear)
    for layer in net.modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(lambda _m, _i, out: sizes.append(out.numel()))
    net(torch.zeros(1, 1, 48, 48))
    counted = net.config.cost[0] - (HOG_VALUES if hog else 0)
    assert sum(sizes) - 7 <= counted <= sum(sizes) + 2_000


STRANGE_NUMBERS = [b"9" * 5000, b"1" * 400, b"NaN", b"-Infinity", b"1e999"]


@pytest.mark.parametrize("number", STRANGE_NUMBERS)
@pytest.mark.parametrize("file", ["config.json", "metrics.json"])
def test_json_numbers_that_are_none_are_refused(folder: Path, file: str, number: bytes) -> None:
    content = b'{"format": "fermodels-1", "epochs": ' + number + b', "network": {}}'
    (folder / file).write_bytes(content)
    read = checkpoint.load if file == "config.json" else catalog.read_metrics
    with pytest.raises(CheckpointError, match=file) as caught:
        read(folder)
    assert len(str(caught.value)) < 400
    if file == "config.json":
        with pytest.raises(CheckpointError, match=file):
            checkpoint.load_uploaded(content, (folder / "model.safetensors").read_bytes())


def test_a_key_that_stands_twice_is_refused(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"hog": false', '"hog": true, "hog": false'))
    assert "'hog' stands there twice" in refused(folder)


KINDS = [torch.int64, torch.int32, torch.uint8, torch.bool, torch.complex64, torch.float8_e4m3fn]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_weights_of_another_kind_than_floating_are_refused(folder: Path, kind: torch.dtype) -> None:
    state = checkpoint.half_weights(tiny_net())
    state["classifier.bias"] = torch.ones(7).to(kind)
    save_file(state, folder / "model.safetensors")
    assert f"classifier.bias is stored as {kind}" in refused(folder)


@pytest.mark.parametrize("kind", checkpoint.FLOATS, ids=str)
def test_weights_of_every_floating_kind_are_read(folder: Path, kind: torch.dtype) -> None:
    state = {key: value.to(kind) if value.is_floating_point() else value
             for key, value in checkpoint.half_weights(tiny_net()).items()}  # fmt: skip
    save_file(state, folder / "model.safetensors")
    assert all(p.dtype == torch.float32 for p in checkpoint.load(folder).parameters())


SPOILT: dict[str, tuple[str, Callable[[torch.Tensor], torch.Tensor], str]] = {
    "finite but too large": (
        "classifier.bias", lambda t: torch.full(t.shape, 1e300, dtype=torch.float64), "finite",
    ),
    "variance below zero": ("conv1.bn.running_var", lambda t: -t, "negative"),
    "batches below zero": ("conv1.bn.num_batches_tracked", lambda t: t - 1, "negative"),
    "batches in floats": ("conv1.bn.num_batches_tracked", lambda t: t.float(), "stored as"),
    "products that overflow": (
        "conv1.conv.weight", lambda t: torch.full(t.shape, 3e38), "answers nothing finite",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_tensors_that_would_answer_nan_are_refused(folder: Path, name: str) -> None:
    key, change, said = SPOILT[name]
    state = checkpoint.half_weights(tiny_net())
    state[key] = change(state[key])
    save_file(state, folder / "model.safetensors")
    assert said in refused(folder)


def test_a_checkpoint_says_what_its_outputs_mean(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    assert [config["id2label"][str(k)] for k in range(7)] == list(EMOTIONS)


ORDERS: dict[str, object] = {
    "two swapped": dict(zip("0123456", (EMOTIONS[1], EMOTIONS[0], *EMOTIONS[2:]), strict=True)),
    "one missing": {str(k): EMOTIONS[k] for k in range(6)},
    "a list": list(EMOTIONS),
    "null": None,
    "another spelling": {str(k): name.title() for k, name in enumerate(EMOTIONS)},
}


@pytest.mark.parametrize("name", ORDERS)
def test_another_order_of_classes_is_refused(folder: Path, name: str) -> None:
    alter(folder, lambda c: c.update(id2label=ORDERS[name]))
    assert "id2label" in refused(folder)


def test_a_checkpoint_from_before_classes_were_named_is_read(folder: Path) -> None:
    alter(folder, lambda c: c.pop("id2label"))
    assert not checkpoint.load(folder).training


def test_errors_name_the_file_and_the_checkpoint_and_no_folder(folder: Path) -> None:
    places = {"net": folder, "alice/mine": folder.parent / "models--alice--mine/snapshots/0123"}
    shutil.copytree(folder, places["alice/mine"])
    for name, place in places.items():
        readers = {
            "config.json": checkpoint.load, "metrics.json": catalog.read_metrics,
            "history.parquet": catalog.read_history, "model.safetensors": checkpoint.load,
            "predictions.parquet": catalog.read_predictions,
        }  # fmt: skip
        for file, read in readers.items():
            whole = (place / file).read_bytes()
            for damage in (b"junk", None):
                (place / file).unlink() if damage is None else (place / file).write_bytes(damage)
                if file != "config.json" or damage is not None:
                    with pytest.raises(CheckpointError) as caught:
                        read(place)
                    assert f"{file} of {name}" in str(caught.value)
                    assert str(folder.parent) not in str(caught.value)
                (place / file).write_bytes(whole)


@pytest.mark.parametrize("name", ["a\0b", "~nobody-of-this-name/x", "x" * 5000, "a/" * 3000])
def test_a_name_that_can_be_no_folder_is_one_sentence(name: str) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint") as caught:
        catalog.find(name)
    assert len(str(caught.value)) < 600


TEXTS = [b"", b"null", b"[]", b"7", b'"x"', b"{", b"\xff\xfe", b'{"a":' * 100_000, b"[" * 100_000,
         b"NaN"]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("file", ["config.json", "metrics.json"])
def test_json_that_is_no_object_is_refused(folder: Path, file: str, text: bytes) -> None:
    (folder / file).write_bytes(text)
    with pytest.raises(CheckpointError) as caught:
        files.read_json(folder / file)
    assert "\n" not in str(caught.value)


def test_a_config_of_megabytes_is_not_parsed(folder: Path) -> None:
    (folder / "config.json").write_bytes(b" " * (files.MAX_JSON_BYTES + 1))
    assert "too large" in refused(folder)


TRAVERSALS = ["../x", "a/../b", "/etc/passwd", "a/b/c", "..", "a\\b", "a/b\0", "a/b\n", "~/x", "",
              "https://evil/a/b", "a/b?x", "a/%2e%2e", "a//b", ".a/b", "a/b.git"]  # fmt: skip


@pytest.mark.parametrize("name", TRAVERSALS)
def test_a_hub_name_is_never_a_path(name: str) -> None:
    with pytest.raises(HubError) as caught:
        hub.check_repo_id(name)
    assert "\n" not in str(caught.value)
    with pytest.raises(FerError):
        checkpoint.load(f"hub:{name}")


@pytest.mark.parametrize("name", ["../main", "a/../b", "/main", "", "a\0", "a b", "x" * 300])
def test_a_revision_is_never_a_path(name: str) -> None:
    with pytest.raises(HubError):
        hub.check_revision(name)


@pytest.mark.parametrize("name", ["../net", "/etc", ".", "hub:a/b", "net/../net"])
def test_the_server_takes_names_of_networks_and_no_paths(folder: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="no network"):
        networks(name)


def test_nothing_that_came_from_outside_is_unpickled(folder: Path) -> None:
    """A pickle in place of any file of a checkpoint is an error, not an execution."""
    marker = folder.parent / "ran"
    evil = f"\x80\x04cbuiltins\nexec\n(S'open({str(marker)!r},\"w\")'\ntR.".encode("latin-1")
    for name in catalog.FILES[:5]:
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(evil)
        with pytest.raises((CheckpointError, ConfigError)):
            checkpoint.load(folder)
            catalog.read_metrics(folder)
            catalog.read_history(folder)
            catalog.read_predictions(folder)
        (folder / name).write_bytes(before)
    assert not marker.exists()
    assert torch.equal(
        torch.from_numpy(checkpoint.load(folder).predict(np.zeros((1, 48, 48), np.uint8))),
        torch.from_numpy(checkpoint.load(folder).predict(np.zeros((1, 48, 48), np.uint8))),
    )


def test_uploaded_weights_of_a_million_tensors_are_refused_unread() -> None:
    names = {f"t{n}": {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]} for n in range(30_000)}
    told = json.dumps({"format": checkpoint.FORMAT, "network": tiny_net().config.to_dict()})
    with pytest.raises(CheckpointError, match="header of more than"):
        checkpoint.load_uploaded(told.encode(), header(names))
