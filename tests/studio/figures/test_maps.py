import numpy as np
import pytest

from studio import theme
from studio.figures.images import (
    colour_table,
    common_limit,
    overlay,
    paint,
    scale_bar,
    shares_of_total,
)

SIGNED = colour_table(theme.DIVERGING)
LUMA = np.array([0.299, 0.587, 0.114])


def test_colour_table_hits_the_scale_at_its_ends_and_middle() -> None:
    table = colour_table([[0.0, "#000000"], [0.5, "#ff0000"], [1.0, "#ffffff"]])
    assert table.shape == (256, 3)
    assert table[0].tolist() == [0, 0, 0] and table[-1].tolist() == [255, 255, 255]
    assert abs(int(table[128][0]) - 255) <= 1 and table[127][2] <= 2


def test_sign_survives_greyscale() -> None:
    values = np.linspace(-1, 1, 201)[None]
    grey = paint(values, 1.0, SIGNED, signed=True)[0] @ LUMA
    assert (np.diff(grey) > -1.5).all(), "lightness rises with the value"
    assert grey[-1] - grey[100] > 50 and grey[100] - grey[0] > 50


def test_one_limit_for_all_maps_keeps_their_relative_strength() -> None:
    strong, weak = np.full((48, 48), 4.0), np.full((48, 48), -1.0)
    limit = common_limit([strong, weak])
    assert limit == 4.0
    painted = paint(weak, limit, SIGNED, signed=True)
    assert (painted == SIGNED[round(255 * 0.375)]).all()


def test_a_few_extreme_pixels_do_not_pale_the_rest() -> None:
    values = np.ones((48, 48))
    values[0, 0] = 1000
    assert common_limit([values]) == 1.0
    only_one = np.zeros((48, 48))
    only_one[5, 5] = -3.0
    assert common_limit([only_one]) == 3.0, "yet a lone pixel is not lost"


def test_shares_add_up_to_one_and_keep_the_sign() -> None:
    values = np.random.default_rng(0).normal(size=(48, 48)).astype(np.float32)
    found = shares_of_total(values)
    assert np.abs(found).sum() == pytest.approx(1)
    assert (np.sign(found) == np.sign(values)).all()
    assert (shares_of_total(np.zeros((3, 3))) == 0).all()


def test_shares_do_not_depend_on_a_methods_unit() -> None:
    values = np.random.default_rng(1).normal(size=(6, 6))
    assert np.allclose(shares_of_total(values), shares_of_total(values * 1e4))


def test_a_zero_map_is_painted_as_zero_not_as_noise() -> None:
    painted = paint(np.zeros((4, 4)), 0.0, SIGNED, signed=True)
    assert (painted == painted[0, 0]).all()
    assert abs(painted[0, 0].astype(int) - 0x8F).max() <= 1


def test_overlay_shows_the_face_where_the_map_is_zero_and_at_opacity_zero() -> None:
    face = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    values = np.zeros((48, 48))
    values[10, 10], values[20, 20] = 1.0, -1.0
    mixed = overlay(face, values, 1.0, SIGNED, 1.0, signed=True)
    assert (mixed[10, 10] == SIGNED[-1]).all() and (mixed[20, 20] == SIGNED[0]).all()
    assert (mixed[30] == face[30][:, None]).all()
    untouched = overlay(face, values, 1.0, SIGNED, 0.0, signed=True)
    assert (untouched == face[:, :, None]).all()


def test_legend_names_both_ends_and_the_unit() -> None:
    legend = scale_bar(0.0123, SIGNED, signed=True, unit="share <of> a map")
    assert "−0.0123" in legend and ">0.0123<" in legend and "share &lt;of&gt; a map" in legend
    assert "−" not in scale_bar(2.0, SIGNED, signed=False, unit="response")
