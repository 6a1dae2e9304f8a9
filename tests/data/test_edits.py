import numpy as np
import pytest

from fermodels.data import edits
from fermodels.data.edits import EDITS, Area, Step
from fermodels.errors import ConfigError

FACE = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
DONOR = np.random.default_rng(1).integers(0, 256, (48, 48), np.uint8)
AREA = Area(10, 20, 5, 17)
INSIDE = np.zeros((48, 48), bool)
INSIDE[10:20, 5:17] = True


def step(name: str) -> Step:
    return Step(name, AREA, "happy" if EDITS[name].needs_donor else "")


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_its_area_alone_and_not_the_face_given(name: str) -> None:
    before = FACE.copy()
    found = edits.apply(FACE, [step(name)], {"happy": DONOR})
    assert (before == FACE).all()
    assert found.dtype == np.uint8
    assert (found[~INSIDE] == FACE[~INSIDE]).all()
    assert (found[INSIDE] != FACE[INSIDE]).any()


def test_erased_pixels_take_the_mean_of_the_two_pixels_around() -> None:
    around = [
        int(FACE[r, c])
        for r in range(8, 22)
        for c in range(3, 19)
        if not (10 <= r < 20 and 5 <= c < 17)
    ]
    found = edits.apply(FACE, [step("erase")], {})
    assert set(found[INSIDE].tolist()) == {round(sum(around) / len(around))}


def test_a_whole_face_can_be_erased() -> None:
    found = edits.apply(FACE, [Step("erase", Area(0, 48, 0, 48))], {})
    assert (found == round(float(FACE.mean()))).all()


def test_mirror_and_upside_down_undo_themselves() -> None:
    for name in ("mirror", "upside-down"):
        once = edits.apply(FACE, [step(name)], {})
        assert (once != FACE).any()
        assert (edits.apply(once, [step(name)], {}) == FACE).all()
    assert edits.apply(FACE, [step("mirror")], {})[12, 5] == FACE[12, 16]
    assert edits.apply(FACE, [step("upside-down")], {})[10, 8] == FACE[19, 8]


def test_paste_takes_the_donors_pixels_and_edits_follow_one_another() -> None:
    found = edits.apply(FACE, [step("paste"), step("mirror")], {"happy": DONOR})
    assert (found[10:20, 5:17] == DONOR[10:20, 5:17][:, ::-1]).all()


def test_blur_keeps_a_flat_face_flat() -> None:
    flat = np.full((48, 48), 77, np.uint8)
    assert (edits.apply(flat, [step("blur")], {}) == 77).all()


def test_a_chain_survives_its_way_through_an_address() -> None:
    chain = [step(name) for name in EDITS]
    assert edits.read(edits.write(chain)) == chain
    assert edits.read("") == []


@pytest.mark.parametrize(
    "text",
    [
        "erase", "erase:1.2.3", "erase:20.10.0.9", "erase:0.49.0.9", "melt:1.2.3.4",
        "paste:1.2.3.4", "paste:1.2.3.4:bored", "erase:1.2.3.4:happy", "erase:1.2.3.4;blur:1.2.3.4",
    ],
)  # fmt: skip
def test_anything_else_in_an_address_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected|give|names"):
        edits.read(text)
