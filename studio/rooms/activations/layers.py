"""The activations room's controls, its grid of channels and its figures over depth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from studio import networks, snippets, theme
from studio.components import download, widgets
from studio.figures import charts, faces, images, tables
from studio.figures.images import common_limit
from studio.state import BOUND, SelectedFace

if TYPE_CHECKING:
    from fermodels.xai.inspect.channels import LayerSimilarity

STAGES = {"conv": "convolution", "bn": "batch norm", "relu": "ReLU", "pool": "pooling"}
SIGNED = ("conv", "bn")
"""Stages whose responses may be negative."""
ORDERS = ("strongest first", "by channel")
COUNTS = (32, 64, 128, 512)
TERMS = (
    "Sparsity: the share of exact zeros after ReLU. Spatial entropy: 0% = one pixel, 100% = "
    "uniform; the mean over the channels that respond."
)


@dataclass(frozen=True)
class View:
    """Which maps to show, and how."""

    block: str
    """A conv block, such as ``conv2``."""
    stage: str
    """A step within it; see STAGES."""
    strongest_first: bool
    count: int
    """At most so many channels."""

    @property
    def layer(self) -> str:
        """Dotted name of the layer."""
        return f"{self.block}.{self.stage}"


def pick_view(first: Responses) -> View:
    """Return what to show; every choice lives in the URL."""
    with st.container(horizontal=True, gap="medium"):
        block = widgets.pick_one("Layer", first.blocks, "layer")
        stage = st.segmented_control(
            "After", first.stages(block), default="relu", key="stage", required=True,
            format_func=lambda stage: STAGES.get(stage, stage), **BOUND,
        )  # fmt: skip
    with st.container(horizontal=True, gap="medium"):
        order = widgets.pick_one("Order", ORDERS, "sort")
        count = st.segmented_control(
            "Channels", COUNTS, default=COUNTS[0], key="channels", required=True, **BOUND
        )
    return View(block, str(stage), order == ORDERS[0], int(count))


def draw_channels(
    name: str, face: SelectedFace, by_face: Mapping[str, Responses], view: View
) -> None:
    """Draw the same channels for every face, on one scale for the whole layer."""
    limit = common_response(by_face.values(), view.layer)
    first = next(iter(by_face.values()))
    channels = first.ranking(view.layer, strongest_first=view.strongest_first)[: view.count]
    total = len(first.maps[view.layer])
    signed = view.stage in SIGNED
    side = images.crisp_side(first.maps[view.layer].shape[-1], 96)
    taken: list[images.Tile] = []
    for (title, face_responses), column in zip(
        by_face.items(), st.columns(len(by_face), gap="large"), strict=True
    ):
        with column:
            st.subheader(f"{view.block} after {STAGES[view.stage]}: {title}", anchor=False)
            pictures = faces.channel_tiles(
                face_responses.maps[view.layer], channels, limit, signed=signed
            )
            st.html(images.grid(pictures, side=side, label=f"{view.layer}: {title}", columns=3))
            taken += pictures
    table = images.colour_table(theme.DIVERGING if signed else theme.SEQUENTIAL)
    st.html(images.scale_bar(limit, table, signed=signed, unit="response, one scale for the layer"))
    if len(channels) < total:
        st.caption(f"{len(channels)} of {total} channels.")
    download.export(
        "channels",
        lambda: tables.of_maps(
            {
                f"{t}, channel {c}": a.maps[view.layer][c]
                for t, a in by_face.items()
                for c in channels
            }
        ),
        snippets.activations_code(name, face, view.layer),
        pictures=taken,
        columns=8,
    )


def draw_depth(name: str, face: SelectedFace, by_face: Mapping[str, Responses], view: View) -> None:
    """Draw sparsity and spatial entropy over the layers, one line per face."""
    code = snippets.activations_code(name, face, view.layer)
    blocks = next(iter(by_face.values())).blocks
    left, right = st.columns(2, gap="large")
    with left:
        lines = {title: face_responses.sparsity for title, face_responses in by_face.items()}
        fig = charts.lines_by_layer(blocks, lines, title="sparsity", chosen=view.block)
        download.show(fig, "sparsity-by-layer", "Share of zeros after ReLU per layer", code=code)
    with right:
        lines = {title: face_responses.entropy for title, face_responses in by_face.items()}
        fig = charts.lines_by_layer(blocks, lines, title="spatial entropy", chosen=view.block)
        download.show(
            fig, "entropy-by-layer", "Spatial entropy of the responses per layer", code=code
        )
    st.caption(TERMS)


def draw_similarity(name: str, face: SelectedFace, other: SelectedFace, view: View) -> None:
    """Draw how alike the layers find two faces, and name the channels that differ most."""
    by_layer = {one.layer: one for one in layer_similarity(name, face.image, other.image)}
    blocks = [layer.split(".")[0] for layer in by_layer if layer.endswith(".relu")]
    lines = {
        "correlation": [by_layer[f"{block}.relu"].correlation for block in blocks],
        "cosine": [by_layer[f"{block}.relu"].cosine for block in blocks],
    }
    lowest = min(0.0, *(value for line in lines.values() for value in line))
    fig = charts.lines_by_layer(blocks, lines, title="similarity", chosen=view.block, lowest=lowest)
    code = snippets.similarity_code(name, face, other)
    download.show(fig, "likeness-by-layer", "Similarity of the two faces in each layer", code=code)
    st.caption(
        "Between a layer's activations after ReLU for the two faces. The cosine includes what all "
        "faces share; the correlation subtracts each face's mean activation. "
        + unlike(by_layer[f"{view.block}.relu"].channels, view.block)
    )


def unlike(channels: NDArray[np.float32], block: str, most: int = 5) -> str:
    """Return in a sentence which of a layer's channels answer the two faces least alike."""
    order = np.argsort(channels, kind="stable")[: min(most, int(np.isfinite(channels).sum()))]
    if len(order) == 0:
        return f"No channel of {block} responds to both faces."
    listed = ", ".join(f"#{channel} ({channels[channel]:+.2f})" for channel in order)
    return f"Least similar channels of {block}, by correlation of their two maps: {listed}."


# --- Responses of a network's layers to a face


@dataclass(frozen=True, eq=False)
class Responses:
    """What a network's conv blocks make of one face."""

    blocks: tuple[str, ...]
    """Conv blocks, first to last."""
    maps: dict[str, NDArray[np.float32]]
    """Dotted layer name, such as ``conv1.relu`` -> ``(C, h, w)``; shared, so read-only."""
    sparsity: tuple[float, ...]
    """Per block after ReLU, the share of exact zeros."""
    entropy: tuple[float, ...]
    """Per block after ReLU, how widely a map spreads: 0 a point, 1 flat; NaN if all silent."""

    def stages(self, block: str) -> list[str]:
        """Return the steps within a block that leave maps, such as ``conv``, ``bn``, ``relu``."""
        return [name.split(".")[1] for name in self.maps if name.startswith(f"{block}.")]

    def ranking(self, layer: str, *, strongest_first: bool) -> list[int]:
        """Return a layer's channels by mean absolute response, or in their own order."""
        strength = np.abs(self.maps[layer]).mean((1, 2))
        order = np.argsort(-strength, kind="stable") if strongest_first else range(len(strength))
        return [int(channel) for channel in order]


@networks.cached_per_weights(max_entries=12)  # 3 to 5 MB each
def responses(name: str, face: NDArray[np.uint8]) -> Responses:
    """Return what a network makes of one face, computed once per model and face.

    Args:
        name: one of `networks.choices()`.
        face: uint8 ``(48, 48)``.
    """
    import torch

    from fermodels.xai.inspect.activations import activations, sparsity, spatial_entropy

    with networks.locked_network(name) as net:
        maps, blocks = activations(net, face), tuple(net.conv_layers)
    for values in maps.values():
        values.flags.writeable = False
    rectified = [maps[f"{block}.relu"] for block in blocks]
    spread = tuple(spatial_entropy(torch.tensor(values)[None]) for values in rectified)
    return Responses(blocks, maps, tuple(sparsity(values) for values in rectified), spread)


@networks.cached_per_weights(max_entries=64)
def layer_similarity(
    name: str, first: NDArray[np.uint8], second: NDArray[np.uint8]
) -> list[LayerSimilarity]:
    """Return the similarity of a network's responses to two faces, layer by layer.

    Args:
        name: one of `networks.choices()`.
        first: uint8 ``(48, 48)``.
        second: likewise.
    """
    from fermodels.xai.inspect.channels import face_against_face

    with networks.locked_network(name) as net:
        return face_against_face(net, first, second)


def common_response(every: Iterable[Responses], layer: str) -> float:
    """Return the response at the palest colour, the same for all faces and channels of a layer."""
    return common_limit([face_responses.maps[layer] for face_responses in every])
