"""Draw the paper's Figures 9, 10 and 11 anew: ``python -m docs.figures``.

From the bundled checkpoint that is best on validation, and the rendered sample faces, into
``docs/figures``; ``figures.json`` beside them holds captions, seed and versions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fermodels import files
from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from fermodels.data.readers.discover import read_faces
from fermodels.errors import CheckpointError, exit_status
from fermodels.files import (
    check_output,
    not_a_result,
    not_our_picture,
    png_mark,
    write_atomically,
    write_json,
)
from fermodels.nets import catalog, checkpoint
from fermodels.nets.fernet import FERNet
from fermodels.results import provenance
from fermodels.xai.dream.dream import Dream, dream_of_each
from fermodels.xai.inspect.activations import ActivationMaps, activation_maps
from fermodels.xai.inspect.filters import first_layer_filters
from studio import networks, state, theme
from studio.figures.images import Pixels, as_rgb, colour_table, common_limit, paint

FOLDER = Path(__file__).parent / "figures"
INK, QUIET, PAPER = "#1c2430", "#5f6b7a", "#ffffff"
GAP, EDGE = 10, 28
"""Pixels between tiles, and around a figure."""


@dataclass(frozen=True, eq=False)
class Cell:
    """A picture of a figure, enlarged without smoothing, and the lines under it."""

    pixels: Pixels
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Row:
    """Pictures side by side."""

    cells: Sequence[Cell]
    side: int
    """Width of a picture on paper, in pixels."""
    title: str = ""
    note: str = ""
    """Quieter, behind the title."""


def font(size: int) -> Any:
    """Return Pillow's own face, Aileron: no font file is needed. It has no multiplication sign."""
    return ImageFont.load_default(size)


def crisp(pixels: Pixels, side: int) -> Image.Image:
    """Enlarge by repeating pixels, to `side` or just below: every pixel stays a square."""
    factor = max(1, side // pixels.shape[1])
    return Image.fromarray(as_rgb(pixels).repeat(factor, 0).repeat(factor, 1))


class Sheet:
    """A figure in the making: rows of pictures under a heading, on white."""

    def __init__(self, heading: str, below: str) -> None:
        self.heading, self.below, self.rows = heading, below, list[Row]()

    def draw(self) -> Image.Image:
        """Lay everything out, first measuring, then drawing."""
        wide = max(len(row.cells) * (row.side + GAP) - GAP for row in self.rows)
        tall = 72 + sum(_height(row) for row in self.rows)
        page = Image.new("RGB", (wide + 2 * EDGE, tall + 2 * EDGE), PAPER)
        pen = ImageDraw.Draw(page)
        pen.text((EDGE, EDGE), self.heading, INK, font(26))
        pen.text((EDGE, EDGE + 36), self.below, QUIET, font(15))
        top = EDGE + 72
        for row in self.rows:
            _draw_row(page, pen, row, top)
            top += _height(row)
        return page


def _height(row: Row) -> int:
    tallest = max(crisp(cell.pixels, row.side).height for cell in row.cells)
    lines = max(len(cell.lines) for cell in row.cells)
    return (32 if row.title else 0) + tallest + 19 * lines + 20


def _draw_row(page: Image.Image, pen: ImageDraw.ImageDraw, row: Row, top: int) -> None:
    if row.title:
        pen.text((EDGE, top), row.title, INK, font(17))
        shift = pen.textlength(row.title + "   ", font(17))
        pen.text((EDGE + shift, top + 2), row.note, QUIET, font(14))
        top += 32
    for place, cell in enumerate(row.cells):
        left, picture = EDGE + place * (row.side + GAP), crisp(cell.pixels, row.side)
        page.paste(picture, (left, top))
        for number, line in enumerate(cell.lines):
            colour = INK if number == 0 else QUIET
            pen.text((left, top + picture.height + 4 + 19 * number), line, colour, font(14))


def scale_row(limit: float, *, signed: bool, unit: str, width: int = 400) -> Row:
    """Return a colour scale with its ends and unit."""
    table = colour_table(theme.DIVERGING if signed else theme.SEQUENTIAL)
    bar = np.repeat(table[np.linspace(0, 255, width).astype(int)][None], 12, 0)
    low = f"{-limit:.3g}" if signed else "0"
    return Row([Cell(bar, (f"{low} to {limit:.3g}: {unit}",))], width)


def activation_figure(model: FERNet, name: str, face: Pixels, label: str) -> Image.Image:
    """Draw Figure 9: the strongest channels of every conv block, after ReLU."""
    sheet = Sheet("What each layer keeps of a face", f"{name}: strongest channels after each ReLU")
    sheet.rows.append(Row([Cell(face, (f"the face, {label}",))], 144))
    table = colour_table(theme.SEQUENTIAL)
    for block in model.conv_layers:
        found = activation_maps(model, face, f"{block}.relu")
        limit = common_limit([found.maps])
        cells = [
            Cell(paint(values, limit, table, signed=False), (f"#{channel}",))
            for channel, values in zip(found.channels[:10], found.maps[:10], strict=True)
        ]
        sheet.rows.append(Row(cells, 96, block, _layer_note(found)))
    sheet.rows.append(
        Row(
            scale_row(1, signed=False, unit="of the layer's full colour, 99.5% quantile").cells, 400
        )
    )
    return sheet.draw()


def _layer_note(found: ActivationMaps) -> str:
    count, height, width = found.maps.shape
    return (
        f"{count} channels of {height} by {width}, {found.sparsity:.0%} zeros, "
        f"spread {found.entropy:.0%}"
    )


def filter_figure(model: FERNet, name: str) -> Image.Image:
    """Draw Figure 10: all first-layer weights on one scale."""
    filters = first_layer_filters(model)
    limit, table = float(np.abs(filters).max()), colour_table(theme.DIVERGING)
    side = filters.shape[-1]
    sheet = Sheet(
        "What the first layer looks for",
        f"{name}: {len(filters)} filters of {side} by {side} weights",
    )
    painted = [Cell(paint(f, limit, table, signed=True), (f"#{i}",)) for i, f in enumerate(filters)]
    for start in range(0, len(painted), 8):
        sheet.rows.append(Row(painted[start : start + 8], 24 * side))
    sheet.rows.append(scale_row(limit, signed=True, unit="weight, one scale for all"))
    return sheet.draw()


def dream_figure(dreams: dict[str, Dream], name: str) -> Image.Image:
    """Draw Figure 11: one face per expression, its dream, and what the dream changed."""
    sheet = Sheet(
        "One face per expression, and its dream", f"{name}: each face dreamed towards its own label"
    )
    changes = {k: _change(found) for k, found in dreams.items()}
    limit, table = common_limit(list(changes.values())), colour_table(theme.DIVERGING)
    faces, last, moved = [], [], []
    for label, found in dreams.items():
        own = EMOTIONS.index(label)
        before, after = found.start_probabilities[own], found.probabilities[own]
        faces.append(Cell(found.frames[0], (label, f"{before:.0%} {label}")))
        last.append(Cell(found.frames[-1], (f"{after:.0%} {label}",)))
        moved.append(Cell(paint(changes[label], limit, table, signed=True)))
    sheet.rows += [
        Row(faces, 144, "Rendered face"),
        Row(last, 144, "Its dream"),
        Row(moved, 144, "What changed", "amber brighter, blue darker"),
        scale_row(limit, signed=True, unit="grey levels of 255, one scale for all"),
    ]
    return sheet.draw()


def _change(found: Dream) -> NDArray[np.float64]:
    return np.asarray(found.frames[-1].astype(float) - found.frames[0], np.float64)


def best_on_validation() -> str:
    """Return the bundled checkpoint that validation liked best; the test split chooses nothing.

    Raises:
        CheckpointError: there is none.
    """
    if not catalog.available():
        raise CheckpointError("no checkpoint is bundled: train one, or name a folder with --model")
    return networks.usual()


def captions(name: str, dreams: dict[str, Dream], asked: dict[str, str]) -> dict[str, Any]:
    """Return what must be said under the figures, with what other networks say to the dreams."""
    judges = {other: checkpoint.load(other) for other in catalog.available()}
    recipe = files.read_json(catalog.find(name) / catalog.CONFIG)["recipe"]
    whose = f"{name} (trained by the {recipe} recipe)"
    seen = {
        label: {
            other: [round(float(p), 4) for p in net.predict(found.frames[[0, -1]])[:, own]]
            for other, net in judges.items()
        }
        for label, found in dreams.items()
        for own in [EMOTIONS.index(label)]
    }
    return {
        "figure-9": f"Activation maps of {whose} for a rendered face; compare the paper's "
        "Figure 9.",
        "figure-10": f"First-layer weights of {whose}; compare the paper's Figure 10.",
        "figure-11": f"Dreams of {whose} from rendered faces; compare the paper's Figure 11.",
        "faces": asked,
        "label_probability_before_and_after": seen,
    }


FIGURES = ("figure-9", "figure-10", "figure-11")


def write(name: str, seed: int, folder: Path) -> list[Path]:
    """Draw the three figures of one checkpoint and write them with their captions.

    Raises:
        ConfigError: something else is where a figure or the captions should go.
    """
    for key in FIGURES:
        check_output(folder / f"{key}.png", not_our_picture)
    check_output(folder / "figures.json", not_a_result)
    faces: FaceDataset = read_faces("samples")
    model = checkpoint.load(name)
    chosen = {label: state.example(faces, label) for label in EMOTIONS}
    dreams = dream_of_each(model, {k: face.image for k, face in chosen.items()}, seed, every=0)
    shown = chosen["surprise"]
    drawn = (
        activation_figure(model, name, shown.image, shown.expression),
        filter_figure(model, name),
        dream_figure(dreams, name),
    )
    written = [folder / f"{key}.png" for key in FIGURES]
    for path, picture in zip(written, drawn, strict=True):
        save = partial(picture.save, format="PNG", optimize=True, pnginfo=png_mark())
        write_atomically(path, save, not_our_picture)
    about = captions(name, dreams, {k: face.sample_id for k, face in chosen.items()})
    about |= {"model": name, "provenance": provenance(seed, faces.name, faces.content_hash)}
    write_json(folder / "figures.json", about)
    return [*written, folder / "figures.json"]


def main(argv: list[str] | None = None) -> int:
    """Draw them; an error of ours is one sentence and exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m docs.figures", description=__doc__)
    parser.add_argument("--model", help="a bundled checkpoint; the best on validation unless given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FOLDER)
    options = parser.parse_args(argv)

    def work() -> None:
        for path in write(options.model or best_on_validation(), options.seed, options.out):
            print(path.name)

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
