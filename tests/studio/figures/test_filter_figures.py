import numpy as np
import plotly.graph_objects as go

from studio.figures.charts import lines_by_layer
from studio.figures.faces import filter_tiles, trend


def test_all_filters_share_one_scale() -> None:
    weights = np.zeros((2, 3, 3))
    weights[0, 1, 1], weights[1, 1, 1] = 2.0, 1.0
    strong, weak = filter_tiles(weights, 2.0, notes={}, dead=[])
    assert (strong.pixels[0, 0] == weak.pixels[0, 0]).all(), "zero is the same grey in both"
    assert (strong.pixels[1, 1] != weak.pixels[1, 1]).any(), "half the weight is half the colour"


def test_dead_and_duplicate_filters_are_named() -> None:
    tiles = filter_tiles(np.ones((3, 3, 3)), 1.0, notes={1: "dead", 2: "as 0"}, dead=[1])
    assert [tile.faded for tile in tiles] == [False, True, False]
    assert [tile.note for tile in tiles] == ["", "dead", "as 0"]
    assert "dead" in tiles[1].alt


def test_trend_draws_every_epoch_and_its_reference() -> None:
    fig = trend(
        [1, 2, 3],
        {"a": [0.1, 0.2, 0.3], "b": [1, 2, 3]},
        title="smoothness",
        reference=(2, "noise"),
    )
    assert isinstance(fig, go.Figure)
    assert [list(line.y) for line in fig.data] == [[0.1, 0.2, 0.3], [1, 2, 3]]
    assert fig.layout.shapes[0].y0 == 2 and fig.layout.annotations[0].text == "noise"


def test_layers_stay_in_network_order() -> None:
    fig = lines_by_layer(["conv1", "conv2"], {"face": [0.5, 0.25]}, title="zeros", chosen="conv2")
    assert list(fig.data[0].x) == ["conv1", "conv2"]
    assert fig.layout.shapes[0].x0 == 1


def test_the_same_quantity_at_another_time_has_its_colour_dotted() -> None:
    lines = {"a, now": [1.0], "b, now": [1.0], "a, later": [0.5], "b, later": [0.5]}
    fig = lines_by_layer(["conv1"], lines, title="share", group=2)
    colours = [line.line.color for line in fig.data]
    assert colours[:2] == colours[2:] and colours[0] != colours[1]
    assert [line.line.dash for line in fig.data] == ["solid", "solid", "dot", "dot"]
