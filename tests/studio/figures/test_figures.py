"""Confusion, history and class-balance figures, and the look they share."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fermodels.data.emotions import EMOTIONS
from studio.components import gallery
from studio.figures import faces, heatmaps, history
from studio.theme import DIVERGING, EXPRESSION_COLORS, GRID, SEQUENTIAL, figure, level, luminance
from tests.studio.shelf_of_toys import numbers_of

# Machado, Oliveira & Fernandes 2009, severity 1.0, on linear RGB
SIGHT = {
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
}


def lab(color: str, sight: str | None) -> np.ndarray:
    from skimage.color import rgb2lab

    srgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    if sight:
        linear = np.clip(np.array(SIGHT[sight]) @ linear, 0, 1)
    back = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(back[None, None])[0, 0])


@pytest.mark.parametrize("sight", [None, *SIGHT])
def test_expression_colours_stay_apart_for_colour_blind_eyes(sight: str | None) -> None:
    seen = [lab(color, sight) for color in EXPRESSION_COLORS.values()]
    apart = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(apart) > 25  # CIE76; 2.3 is just noticeable


@pytest.mark.parametrize("scale", [DIVERGING, SEQUENTIAL])
def test_colour_scales_rise_in_lightness_so_they_read_in_grey(scale: list) -> None:
    light = [luminance(scale, share) for share in np.linspace(0, 1, 41)]
    assert (np.diff(light) > 0).all()


def test_palette_covers_the_seven_expressions_in_order() -> None:
    assert tuple(EXPRESSION_COLORS) == EMOTIONS


def counts() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 60, (7, 7))


def test_every_share_matrix_has_the_same_scale() -> None:
    heat = heatmaps.matrix(counts(), shares=True).data[0]
    assert (heat.zmin, heat.zmax) == (0.0, 100.0)


@pytest.mark.parametrize("clickable", [True, False])
def test_each_cell_says_what_it_is_once(clickable: bool) -> None:
    fig = heatmaps.matrix(counts(), shares=True, clickable=clickable)
    told = [trace.type for trace in fig.data if trace.hovertemplate]
    assert told == (["scatter"] if clickable else ["heatmap"])
    assert fig.data[0].hoverinfo == ("skip" if clickable else None)


def test_every_cell_of_a_difference_answers_a_click() -> None:
    fig = heatmaps.confusion_difference(counts(), counts().T)
    heat, targets = fig.data[0], fig.data[-1]
    assert heat.hoverinfo == "skip" and targets.type == "scatter" and targets.mode == "markers"
    cells = {
        (x, y): value for x, y, value in zip(targets.x, targets.y, targets.customdata, strict=True)
    }
    assert cells == {
        (x, y): heat.z[r][c] for r, y in enumerate(EMOTIONS) for c, x in enumerate(EMOTIONS)
    }


def test_difference_is_symmetric_about_zero_and_flips_sign() -> None:
    first, second = counts(), counts().T
    forward, back = (
        heatmaps.confusion_difference(first, second),
        heatmaps.confusion_difference(second, first),
    )
    assert forward.data[0].zmin == -forward.data[0].zmax
    assert np.allclose(forward.data[0].z, -back.data[0].z)


def test_no_cell_reads_minus_zero() -> None:
    cells = counts()
    written = numbers_of(heatmaps.confusion_difference(cells, cells).to_plotly_json()["data"])
    assert list(written.values()) == ["0"] * 49


def test_quoted_accuracies_are_hollow_and_without_interval() -> None:
    ours = heatmaps.Accuracies({"sad": 0.5}, {"sad": (0.4, 0.7)}, "#000000")
    theirs = heatmaps.Accuracies({"sad": 0.3}, {}, "#000000", quoted=True)
    fig = heatmaps.per_expression({"deep": ours, "deep, paper": theirs})
    assert fig.data[0].error_x.array[0] == pytest.approx(20)
    assert fig.data[0].error_x.arrayminus[0] == pytest.approx(10)
    assert fig.data[1].error_x.array is None
    assert fig.data[1].marker.symbol == "diamond-open"
    assert fig.data[0].offsetgroup == fig.data[1].offsetgroup == "deep"


def test_smoothing_equals_the_weighted_mean_written_out() -> None:
    values, span = [3.0, 1.0, 4.0, 1.0, 5.0], 3
    keep = 1 - 2 / (span + 1)
    for last in range(len(values)):
        weights = [keep ** (last - k) for k in range(last + 1)]
        plain = sum(w * v for w, v in zip(weights, values, strict=False)) / sum(weights)
        assert history.smooth(values, span)[last] == pytest.approx(plain)
    assert history.smooth(values, 1).tolist() == values


def test_thinning_keeps_both_ends_and_short_curves_whole() -> None:
    assert history.thin(5).tolist() == [0, 1, 2, 3, 4]
    long = history.thin(100_000)
    assert (long[0], long[-1], len(long)) == (0, 99_999, history.MAX_POINTS)


def epochs() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "epoch": [1, 2],
            "train_clean_accuracy": [0.5, 0.9],
            "validation_accuracy": [0.4, 0.6],
            "layers": [["conv1", "conv2"]] * 2,
            "sparsity": [[0.1, 0.2], [0.3, 0.4]],
        }
    )


def test_gap_is_training_minus_validation_in_points() -> None:
    fig = history.gap({"deep": epochs()}, {"deep": "#000000"})
    assert np.allclose(fig.data[0].y, [10, 30])


def test_kept_epoch_is_marked_on_the_validation_curve() -> None:
    columns = {"train_clean_accuracy": "training", "validation_accuracy": "validation"}
    fig = history.per_epoch(
        {"deep": epochs()},
        columns,
        {"deep": "#000000"},
        title="accuracy, %",
        percent=True,
        best={"deep": 2},
    )
    assert list(fig.data[2].x) == [2]
    assert np.allclose(fig.data[2].y, [60])


def test_layers_draws_one_curve_per_layer() -> None:
    fig = history.lines_per_layer(epochs(), "sparsity", "zeros")
    assert [line.name for line in fig.data] == ["conv1", "conv2"]
    assert np.allclose(fig.data[1].y, [0.2, 0.4])


def test_mean_faces_average_each_expression_alone() -> None:
    images = np.stack([np.full((48, 48), v, np.uint8) for v in (0, 100, 7)])
    means = faces.mean_faces(images, np.array([3, 3, 5]))
    assert set(means) == {"happy", "surprise"}
    assert (means["happy"] == 50).all()
    assert (means["surprise"] == 7).all()


def test_balance_writes_totals_over_all_splits() -> None:
    fig = faces.balance({"train": [1, 2, 3, 4, 5, 6, 7], "test": [1] * 7})
    assert [text.strip() for text in fig.data[-1].text] == ["2", "3", "4", "5", "6", "7", "8"]


def test_sprite_holds_each_face_at_its_place() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
    sheet = gallery.sprite(images, columns=3)
    assert sheet.shape == (96, 144)
    for k, image in enumerate(images):
        row, column = divmod(k, 3)
        tile = sheet[48 * row : 48 * row + 48, 48 * column : 48 * column + 48]
        assert (tile == image).all()


def test_a_figures_own_layout_wins_and_the_rest_of_the_look_stays() -> None:
    fig = figure([], margin={"t": 3}, xaxis={"title": "epoch"}, room=(76, 52), showlegend=False)
    assert fig.layout.margin.to_plotly_json() == {"l": 76, "r": 8, "t": 3, "b": 52}
    assert fig.layout.xaxis.title.text == "epoch"
    assert fig.layout.xaxis.gridcolor == fig.layout.yaxis.gridcolor == GRID
    assert fig.layout.xaxis.automargin is False, "the room is named, so nothing is measured"
    assert figure([]).layout.xaxis.automargin is True


def test_a_level_is_named_where_it_ends() -> None:
    fig = figure([], **level(0.2, "chance"))
    line, name = fig.layout.shapes[0], fig.layout.annotations[0]
    assert (line.x0, line.x1, line.xref) == (0, 1, "x domain")
    assert line.y0 == line.y1 == name.y == 0.2
    assert name.text == "chance"


def test_styled_figures_let_the_theme_shine_through() -> None:
    fig = figure([], height=123)
    assert fig.layout.paper_bgcolor == fig.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert fig.layout.height == 123
