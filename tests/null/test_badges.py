"""No map that does not explain is ever trusted, and one that does is.

``python -m tests.null.badges`` tries the same null maps on the bundled networks.
"""

from __future__ import annotations

import numpy as np
import pytest

import fermodels
from fermodels.xai.trust.judge import learned_of, predicted
from fermodels.xai.trust.maps import explainer
from fermodels.xai.trust.randomisation import random_copy
from fermodels.xai.trust.verdict import NOT_ENOUGH, PASSES, UNTRAINED, WORDS, Verdict
from tests.null.badges import verdicts
from tests.null.maps import HONEST, NULLS, TEMPLATE, fixed, honest
from tests.null.toys import Cells, lit_faces


@pytest.fixture(scope="module")
def found() -> dict[str, Verdict]:
    """The verdicts on all null maps, on a network whose honest maps are known to be right."""
    net, (faces, labels) = Cells().eval(), lit_faces(12)
    learned = learned_of(predicted(net, faces), labels)
    return dict(verdicts(net, faces, honest(steps=2), learned))


@pytest.mark.parametrize("name", NULLS)
def test_a_null_map_is_never_trusted(name: str, found: dict[str, Verdict]) -> None:
    assert found[name].trusted is not True
    assert found[name].words != PASSES and found[name].words in WORDS


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("constant", "ignores the face"),
        ("blank", "ignores the face"),
        ("fixed blob", "ignores the face"),
        ("eyes and mouth", "ignores the face"),
        ("eyes and mouth, noisy", "not above edges"),
        ("edges", "ignores the class"),
        ("random weights", "fails randomisation"),
        ("another class", "not above chance"),
        ("another face", "not above chance"),
    ],
)
def test_a_null_map_fails_for_its_own_reason(
    name: str, words: str, found: dict[str, Verdict]
) -> None:
    assert (found[name].trusted, found[name].words) == (False, words), found[name].reasons


@pytest.mark.parametrize(
    "method", [HONEST, explainer("occlusion", {"patch": 4, "stride": 4})], ids=["paths", "squares"]
)
def test_a_method_that_finds_the_planted_cue_is_trusted(method) -> None:
    faces, labels = lit_faces(16)
    verdict = fermodels.judge(Cells().eval(), method, faces, labels=labels)
    assert verdict.trusted is True and verdict.words == PASSES, verdict.reasons
    assert verdict.figures["gap-over-template"].low > 0.2


def test_five_faces_are_not_enough_for_the_same_method() -> None:
    faces, labels = lit_faces(5)
    verdict = fermodels.judge(Cells().eval(), HONEST, faces, labels=labels)
    assert verdict.trusted is None and verdict.words == NOT_ENOUGH
    assert "5 faces only: 12 are asked" in " ".join(verdict.reasons)


def test_no_method_is_trusted_on_a_network_with_random_weights() -> None:
    faces, labels = lit_faces(12)
    net = random_copy(Cells().eval(), seed=3).whole
    verdict = fermodels.judge(net, honest(steps=2), faces, labels=labels)
    assert verdict.trusted is not True
    assert verdict.figures["accuracy"].low < 1 / 3
    never = fermodels.judge(net, fixed(TEMPLATE), faces)  # asked for the sample faces
    assert (never.trusted, never.words) == (False, UNTRAINED)
    assert never.figures["accuracy"].n == 280


def test_badges_have_three_words_at_most() -> None:
    assert all(1 <= len(words.split()) <= 3 for words in WORDS)
    assert len(set(WORDS)) == len(WORDS)


def test_the_figures_of_a_fixed_map_say_what_is_wrong(found: dict[str, Verdict]) -> None:
    figures = found["fixed blob"].figures
    for name in ("other-face", "random-logit", "randomisation-top", "randomisation"):
        assert figures[name].mean == pytest.approx(1), name
    assert abs(figures["gap-over-template"].mean) < 0.01
    assert np.isfinite([one.mean for one in figures.values()]).all()
