import numpy as np
import pytest

from tests.toys import striped_faces, tiny_net
from train.claims.insides import (
    STRENGTHS,
    conv_features,
    describe,
    hog_features,
    r2_interval,
    raw_pixels,
    ridge_probe,
)


def parts(columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random features of 60 training, 30 validation and 50 test faces."""
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(2, 1, (n, columns)) for n in (60, 30, 50))  # type: ignore[return-value]


def test_probe_equals_ridge_regression_solved_directly() -> None:
    inputs, noise = parts(80), parts(3, seed=1)
    targets = tuple(x[:, :3] + e for x, e in zip(inputs, noise, strict=True))
    found = ridge_probe(inputs, targets)
    x, y = inputs[0] - inputs[0].mean(0), targets[0] - targets[0].mean(0)
    gram = x @ x.T
    penalty = found.strength * np.linalg.eigvalsh(gram).clip(0).mean()
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(80), x.T @ y)
    errors = targets[2] - targets[0].mean(0) - (inputs[2] - inputs[0].mean(0)) @ weights
    assert found.unexplained == pytest.approx((errors**2).sum(1), rel=1e-6)
    assert found.strength in STRENGTHS


def test_linear_targets_are_explained_and_unrelated_ones_are_not() -> None:
    inputs, other = parts(20), parts(5, seed=1)
    weights = np.random.default_rng(2).normal(size=(20, 5))
    linear = ridge_probe(inputs, tuple(x @ weights for x in inputs))  # type: ignore[arg-type]
    assert linear.r2 > 0.99
    low, high = r2_interval([linear], 0)
    assert low <= linear.r2 <= high <= 1
    assert ridge_probe(inputs, other).r2 < 0.1


def test_descriptions_are_rows_of_what_the_network_computes() -> None:
    faces = striped_faces(140)
    three = [faces.split(name) for name in ("train", "validation", "test")]
    net = tiny_net()
    widths = {"pixels": 48 * 48, "hog": 900, "conv": net.config.conv_features}
    for name, how in (
        ("pixels", raw_pixels),
        ("hog", hog_features()),
        ("conv", conv_features(net)),
    ):
        rows = describe(three, how)
        assert [part.shape for part in rows] == [(len(f), widths[name]) for f in three]
    assert describe(three, raw_pixels)[2][0] == pytest.approx(three[2].images[0].ravel() / 255)
