"""What `judge` measures, compared with slow ways, and what it says of a careless function."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

import fermodels
from fermodels.errors import ConfigError, DataError, FerError
from fermodels.xai.attribution.explain import explain
from fermodels.xai.trust.judge import Trial, learned_of, pair_up, template
from fermodels.xai.trust.maps import edge_maps, explainer
from fermodels.xai.trust.randomisation import random_copies
from fermodels.xai.trust.verdict import PAIRED
from tests.xai.test_model_access import assert_same, make_untidy, state_of

METHOD = explainer("input-x-gradient")


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (lambda f: np.zeros((len(f), 24, 24)), r"float64 \(4, 24, 24\): expected float \(4, 48"),
        (lambda f: np.zeros(f.shape, int), r"int64 \(4, 48, 48\): expected float"),
        (lambda f: [face / 255 for face in f], "a list: expected float"),
        (lambda f: np.where(f == f[0, 0, 0], np.nan, 1.0), "undefined values in [1-4] of 4 maps"),
    ],
    ids=["shape", "dtype", "list", "nan"],
)
def test_a_function_that_returns_no_maps_is_one_sentence(
    net, make_faces, returned, sentence
) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        fermodels.judge(net, lambda _net, faces, _target: returned(faces), make_faces(4))
    assert isinstance(caught.value, FerError) and "\n" not in str(caught.value)


def test_questions_that_cannot_be_asked_are_refused(net, make_faces) -> None:
    with pytest.raises(ConfigError, match="'tea-leaves' is unknown: expected a function or one of"):
        fermodels.judge(net, "tea-leaves", make_faces(2))
    with pytest.raises(ConfigError, match="labels has 1 entries for 2 faces"):
        fermodels.judge(net, "saliency", make_faces(2), labels=[0])
    with pytest.raises(DataError, match=r"expected uint8 \(N, 48, 48\)"):
        fermodels.judge(net, "saliency", make_faces(2).astype(float))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_hardly_any_faces_are_not_enough_evidence(net, make_faces, n: int) -> None:
    verdict = fermodels.judge(net, edge_maps, make_faces(n), labels=[0] * n)
    assert verdict.trusted is None


def test_neither_model_nor_faces_are_touched_even_by_a_careless_function(
    hybrid, make_faces
) -> None:
    make_untidy(hybrid)
    before, faces = state_of(hybrid), make_faces(4)
    kept = faces.copy()

    def careless(_model, images, target):
        images[:] = 0
        target[:] = 0
        return np.random.default_rng(0).random(images.shape)

    fermodels.judge(hybrid, careless, faces, labels=[0] * 4)
    assert_same(before, state_of(hybrid))
    np.testing.assert_array_equal(faces, kept)


def test_equal_seeds_give_equal_verdicts(net, make_faces) -> None:
    faces, labels = make_faces(4), [0, 1, 2, 3]
    one, same, other = (
        fermodels.judge(net, "input-x-gradient", faces, labels=labels, seed=seed)
        for seed in (0, 0, 1)
    )
    assert one == same and one.figures["randomisation"] != other.figures["randomisation"]


def test_maps_are_compared_as_the_checks_say(net, make_faces) -> None:
    """Other face, same class; same face, other class; same face and class, other weights."""
    faces, target = make_faces(4), np.array([0, 0, 0, 5])
    trial = Trial(net, faces, target, seed=0)
    copies = list(random_copies(net, (0, 1)))
    values = trial.measure(METHOD, "input-x-gradient", copies)[0].values
    pairs = pair_up(target, 2)

    def draw(model, row: int, label: int):
        return explain(model, faces[row], "input-x-gradient", label).attribution[0].ravel()

    wanted = {name: [] for name in PAIRED}
    for (first, second), copy in zip(pairs, copies, strict=True):
        for row, partner in ((first, second), (second, first)):
            mine = draw(net, row, target[row])
            same_class = draw(net, row, target[partner])
            wanted["other-face"].append(
                spearmanr(same_class, draw(net, partner, target[partner])).statistic
            )
            if target[row] != target[partner]:
                wanted["random-logit"].append(spearmanr(mine, same_class).statistic)
            else:
                wanted["random-logit"].append(None)  # of a class drawn by lot
            for name, model in (("randomisation-top", copy.top), ("randomisation", copy.whole)):
                wanted[name].append(spearmanr(mine, draw(model, row, target[row])).statistic)
    for name, expected in wanted.items():
        for found, one in zip(values[name], expected, strict=True):
            assert one is None or found == pytest.approx(one, abs=1e-6), name
    assert all(value < 0.999 for value in values["random-logit"])


def test_pairs_are_disjoint_and_of_two_classes_where_there_are_two() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        target = rng.integers(0, 7, 30)
        pairs = pair_up(target, 12)
        assert sorted(pairs.ravel()) == list(range(24))
        if np.bincount(target[:24]).max() <= 12:
            assert (target[pairs[:, 0]] != target[pairs[:, 1]]).all()
    assert pair_up(np.zeros(5, int), 2).shape == (2, 2)


def test_a_template_is_the_mean_of_the_other_maps_each_of_one_size() -> None:
    maps = np.random.default_rng(0).normal(size=(4, 48, 48)).astype(np.float32)
    shares = maps / np.abs(maps).sum((1, 2), keepdims=True)
    for row in range(4):
        np.testing.assert_allclose(
            template(maps)[row], np.delete(shares, row, 0).mean(0), atol=1e-9
        )
    assert not template(maps[:1]).any()


def test_signed_maps_are_compared_with_their_places_too(net, make_faces) -> None:
    """Signs that cancel in the mean would leave a template that beats nobody."""
    faces = make_faces(3)
    trial = Trial(net, faces, net.predict(faces).argmax(1), seed=0)
    maps = METHOD(net, faces, trial.target_class)
    found = trial._template(maps)
    for metric in ("gap", "road"):
        means = [trial.faithfulness(template(kind))[metric].mean() for kind in (maps, np.abs(maps))]
        assert found[metric].mean() == pytest.approx(max(means))


def test_chance_is_the_best_constant_answer() -> None:
    found = learned_of(np.array([0, 1, 2, 2]), np.array([0, 2, 2, 2]))
    assert (found.correct, found.n, found.chance) == (3, 4, 0.75)
    assert found.needed == pytest.approx(0.75 + 0.25 / 6)
