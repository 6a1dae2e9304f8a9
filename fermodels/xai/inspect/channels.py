"""What does each channel of a layer respond to? Its strongest faces, its silence, its dream.

``python -m fermodels.xai.inspect.channels --model NAME --data PATH`` writes the strongest faces of
every channel behind every ReLU: ``results/channels-NAME.parquet``, its provenance beside it.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.data.dataset import FACE_SIDE, FaceDataset
from fermodels.data.readers.discover import read_faces
from fermodels.errors import ConfigError, exit_status
from fermodels.memory import keep_freed_memory
from fermodels.nets import catalog, checkpoint
from fermodels.nets.catalog import weights_hash
from fermodels.results import ResultFile, provenance
from fermodels.xai.counterfactuals.response_curves import fernet_copy
from fermodels.xai.dream.dream import Dream, dream
from fermodels.xai.dream.settings import DREAM_PRESETS
from fermodels.xai.inspect.activations import activations
from fermodels.xai.model_access import batches, check_layer, exact, layer_names, outputs_of


@dataclass(frozen=True, eq=False)
class ChannelCensus:
    """Which faces excite each channel of a layer most, and where."""

    layer: str
    faces: int
    """How many faces were looked at."""
    ids: NDArray[np.str_]
    """``(C, k)``: sample ids, strongest peak first."""
    peaks: NDArray[np.float32]
    """``(C, k)``: the largest activation in each face's map."""
    positions: NDArray[np.int64]
    """``(C, k, 2)``: row and column of that peak, in the layer's own map."""
    side: int
    """Side of the layer's map."""
    active: NDArray[np.float32]
    """``(C,)``: share of the faces in which the channel is above 0 anywhere."""
    mean: NDArray[np.float32]
    """``(C,)``: mean activation over all faces and places."""

    @property
    def dead(self) -> tuple[int, ...]:
        """Channels that were above 0 nowhere, in no face."""
        return tuple(int(c) for c in np.flatnonzero(self.active == 0))

    def pixels(self, channel: int, rank: int) -> tuple[float, float]:
        """Return where a peak lies on the face, in pixels: the centre of its cell."""
        scale = FACE_SIDE / self.side
        row, column = (float((p + 0.5) * scale - 0.5) for p in self.positions[channel, rank])
        return row, column


def channel_census(
    model: nn.Module, faces: FaceDataset, layers: list[str] | None = None, top: int = 9
) -> dict[str, ChannelCensus]:
    """Look at every face once and keep each channel's strongest, in memory that does not grow.

    Equal peaks rank in the faces' order.

    Args:
        model: a FERNet; it is not touched, and others may use it meanwhile.
        faces: any number; only their ids and the `top` peaks per channel are kept.
        layers: layers with maps; None for all ReLUs.
        top: faces per channel, 1 or more; fewer are kept if there are fewer faces.

    Raises:
        ConfigError: unknown layer, or nothing to keep.
    """
    net = fernet_copy(model)
    names = relu_layers(net) if layers is None else [check_layer(net, n) for n in layers]
    if top < 1 or not names:
        raise ConfigError(f"top is {top}, layers {names}: expected 1 or more of each")
    counts = {name: _Count(top) for name in names}
    with exact(net), torch.no_grad(), outputs_of(net, names) as outputs:
        first = 0
        for batch in batches(net, faces.images):
            net(batch)
            for name, count in counts.items():
                count.add(outputs[name], first)
            first += len(batch)
    return {name: count.census(name, faces) for name, count in counts.items()}


def relu_layers(model: nn.Module) -> list[str]:
    """Return the ReLUs among the layers that output maps."""
    return [n for n in layer_names(model) if isinstance(model.get_submodule(n), nn.ReLU)]


class _Count:
    """One layer's running record."""

    def __init__(self, top: int) -> None:
        self.top, self.side, self.width = top, 0, 0
        self.peaks = self.rows = self.places = torch.empty(0)
        self.fired = self.total = torch.zeros(())

    def add(self, maps: Tensor, first: int) -> None:
        """Take in the maps ``(n, C, h, w)`` of faces `first` and following."""
        self.side, self.width = maps.shape[-2], maps.shape[-1]
        peaks, places = (values.T.cpu() for values in maps.flatten(2).max(2))
        rows = torch.arange(first, first + len(maps)).expand_as(places)
        if self.peaks.numel():
            peaks = torch.cat([self.peaks, peaks], 1)
            places, rows = torch.cat([self.places, places], 1), torch.cat([self.rows, rows], 1)
        order = peaks.argsort(dim=1, descending=True, stable=True)[:, : self.top]
        self.peaks, self.places = peaks.gather(1, order), places.gather(1, order)
        self.rows = rows.gather(1, order)
        self.fired = self.fired + (maps.amax((2, 3)) > 0).sum(0).cpu()
        self.total = self.total + maps.double().mean((2, 3)).sum(0).cpu()

    def census(self, name: str, faces: FaceDataset) -> ChannelCensus:
        """Return what was seen."""
        at = self.places.numpy()
        return ChannelCensus(
            layer=name,
            faces=len(faces),
            ids=faces.ids[self.rows.numpy()],
            peaks=self.peaks.float().numpy(),
            positions=np.stack([at // self.width, at % self.width], -1),
            side=self.side,
            active=(self.fired / len(faces)).float().numpy(),
            mean=(self.total / len(faces)).float().numpy(),
        )


def channel_dream(model: nn.Module, layer: str, channel: int, seed: int = 0) -> Dream:
    """Dream what one channel responds to, from noise; before its ReLU, where it has a gradient.

    Args:
        model: a FERNet.
        layer: a layer with maps.
        channel: which one.
        seed: fixes noise and shifts.

    Raises:
        ConfigError: unknown layer or channel.
    """
    names = layer_names(model)
    place = names.index(check_layer(model, layer))
    if isinstance(model.get_submodule(layer), nn.ReLU):
        place -= 1
    settings = dict(DREAM_PRESETS["channel"].settings)
    return dream(model, "noise", seed=seed, layer=names[place], channel=channel, **settings)


@dataclass(frozen=True, eq=False)
class LayerSimilarity:
    """Similarity of two faces in one layer."""

    layer: str
    cosine: float
    """Of all activations, -1 to 1; NaN if one face leaves the layer silent."""
    correlation: float
    """Pearson's, -1 to 1: the same after each face's mean is taken out; NaN if one is flat."""
    channels: NDArray[np.float32]
    """``(C,)``: correlation of each channel's two maps; NaN where one of them is flat."""


def face_against_face(
    model: nn.Module, first: NDArray[np.uint8], second: NDArray[np.uint8]
) -> list[LayerSimilarity]:
    """Compare what every layer makes of two faces, first layer to last.

    Args:
        model: any model with conv layers; it is not touched.
        first: uint8 ``(48, 48)``.
        second: uint8 ``(48, 48)``.

    Raises:
        DataError: not one face each.
    """
    one, other = activations(model, first), activations(model, second)
    return [_similarity(layer, one[layer], other[layer]) for layer in one]


def _similarity(
    layer: str, one: NDArray[np.float32], other: NDArray[np.float32]
) -> LayerSimilarity:
    a, b = (maps.reshape(len(maps), -1).astype(np.float64) for maps in (one, other))
    channels = _cosines(a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True))
    whole = _cosines(
        np.stack([a.ravel(), a.ravel() - a.mean()]), np.stack([b.ravel(), b.ravel() - b.mean()])
    )
    return LayerSimilarity(layer, float(whole[0]), float(whole[1]), channels.astype(np.float32))


def _cosines(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosine of each row of `a` with the same row of `b`; NaN if one is zero."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = np.full(len(a), np.nan)
    np.divide((a * b).sum(1), lengths, out=cosines, where=lengths > 1e-12)
    return cosines


def as_table(census: ChannelCensus) -> pd.DataFrame:
    """Return one row per channel and rank: layer, channel, rank, sample_id, peak, row, column."""
    channels, top = census.ids.shape
    return pd.DataFrame(
        {
            "layer": census.layer,
            "channel": np.repeat(np.arange(channels), top),
            "rank": np.tile(np.arange(top), channels),
            "sample_id": census.ids.ravel(),
            "peak": census.peaks.ravel(),
            "row": census.positions[..., 0].ravel(),
            "column": census.positions[..., 1].ravel(),
        }
    )


def shares(census: ChannelCensus) -> list[float]:
    """Return in how many of the faces each channel is above 0, to a millionth."""
    return [round(float(share), 6) for share in census.active]


def command_line() -> argparse.ArgumentParser:
    """Return the parser of this module's command."""
    parser = argparse.ArgumentParser(prog="python -m fermodels.xai.inspect.channels")
    parser.add_argument("--model", required=True, help="a bundled checkpoint's name, or a folder")
    parser.add_argument("--data", default="samples", help="whatever fermodels.read_faces reads")
    parser.add_argument("--split", default="test", help="whose faces are looked at")
    parser.add_argument("--top", type=int, default=9, help="faces kept per channel")
    return parser


def run(options: argparse.Namespace) -> None:
    """Write the strongest faces of a model's channels, and which channels are dead.

    Raises:
        FerError: data or model that cannot be read, or a setting outside its range.
    """
    folder, name = catalog.find(options.model), Path(options.model).name
    result = ResultFile(
        f"channels-{name}",
        "python -m fermodels.xai.inspect.channels",
        columns=("layer", "channel", "rank", "peak"),
    )
    result.check_free()
    faces = read_faces(options.data)
    looked_at = faces.split(options.split)
    censuses = channel_census(checkpoint.load(folder), looked_at, top=options.top)
    table = pd.concat([as_table(census) for census in censuses.values()], ignore_index=True)
    dead = {layer: list(census.dead) for layer, census in censuses.items()}
    about = {
        "model": name,
        "split": options.split,
        "faces": len(looked_at),
        "faces_hash": looked_at.content_hash,
        "checkpoint_hash": weights_hash(folder),
        "sides": {layer: census.side for layer, census in censuses.items()},
        "dead": dead,
        "active": {layer: shares(census) for layer, census in censuses.items()},
        "provenance": provenance(0, faces.name, faces.content_hash),
    }
    result.write(about, table)
    print(
        f"{result.name}: {len(table)} rows; dead: "
        + ", ".join(f"{n} {len(d)}" for n, d in dead.items())
    )


def main(argv: list[str] | None = None) -> int:
    """Do it; an error of ours is one sentence and exit status 2."""
    options = command_line().parse_args(argv)
    return exit_status(lambda: run(options))


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
