"""A stranger's checkpoint: NaN, lying headers, absurd sizes, deep JSON. One sentence, no harm."""

from __future__ import annotations

import json
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

from fermodels.errors import CheckpointError, ConfigError, FerError, HubError
from fermodels.nets import checkpoint, hub, shelf
from studio.photo_reading import networks
from tests.toys import tiny_net


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound checkpoint, to be spoilt."""
    none = pd.DataFrame({"step": [1]})
    checkpoint.save(
        tmp_path / "net", tiny_net(), {"variant": "shallow"}, {}, checkpoint.History(none, none),
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
        assert "do not belong together" in refused(folder)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8_000_000


TEXTS = [b"", b"null", b"[]", b"7", b'"x"', b"{", b"\xff\xfe", b'{"a":' * 100_000, b"[" * 100_000,
         b"NaN"]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("file", ["config.json", "metrics.json"])
def test_json_that_is_no_object_is_refused(folder: Path, file: str, text: bytes) -> None:
    (folder / file).write_bytes(text)
    with pytest.raises(CheckpointError) as caught:
        shelf.read_json(folder / file)
    assert "\n" not in str(caught.value)


def test_a_config_of_megabytes_is_not_parsed(folder: Path) -> None:
    (folder / "config.json").write_bytes(b" " * (shelf.MAX_JSON_BYTES + 1))
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
    for name in checkpoint.FILES[:5]:
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(evil)
        with pytest.raises((CheckpointError, ConfigError)):
            checkpoint.load(folder)
            checkpoint.read_metrics(folder)
            checkpoint.read_history(folder)
            checkpoint.read_predictions(folder)
        (folder / name).write_bytes(before)
    assert not marker.exists()
    assert torch.equal(
        torch.from_numpy(checkpoint.load(folder).predict(np.zeros((1, 48, 48), np.uint8))),
        torch.from_numpy(checkpoint.load(folder).predict(np.zeros((1, 48, 48), np.uint8))),
    )
