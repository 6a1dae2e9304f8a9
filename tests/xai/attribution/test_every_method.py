"""What every method of METHODS promises, asked of each of them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from fermodels.data.readers.discover import read_faces
from fermodels.nets.fernet import FERNet
from fermodels.nets.variants import VARIANTS
from fermodels.xai.attribution.baselines import BASELINES
from fermodels.xai.attribution.explain import explain
from fermodels.xai.attribution.registry import METHODS
from fermodels.xai.model_access import lock_of
from tests.xai.cheap import CHEAP
from tests.xai.conftest import SMALL, settle, shrunk
from tests.xai.test_model_access import assert_same, state_of

LINEAR_IN_SCORE = {
    "integrated-gradients", "input-x-gradient", "smoothgrad", "gradient-shap", "lrp", "hires-cam",
    "layer-conductance", "internal-influence", "occlusion", "feature-ablation", "kernel-shap",
    "lime",
}  # fmt: skip
"""Methods whose map for A rather than B is A's map minus B's."""
WITH_BASELINE = [name for name, method in METHODS.items() if method.uses_baseline]


@pytest.fixture(scope="module")
def net() -> FERNet:
    """Made once: no test here changes it."""
    return settle(SMALL)


@pytest.fixture(scope="module")
def hybrid() -> FERNet:
    """Made once: no test here changes it."""
    return settle(replace(SMALL, hog=True))


@lru_cache(maxsize=len(VARIANTS))
def small(variant: str) -> FERNet:
    return settle(shrunk(VARIANTS[variant].config))


@lru_cache(maxsize=1)
def real_faces() -> np.ndarray:
    """Three FER-2013 faces where FER2013_DIR says where they are, else three sample faces."""
    return read_faces(os.environ.get("FER2013_DIR") or "samples").split("validation").images[:3]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_method_runs_on_every_variant(variant: str, method: str) -> None:
    net, asked = small(variant), METHODS[method]
    found = explain(net, real_faces(), method, **CHEAP.get(method, {}))
    assert found.attribution.shape == (3, 48, 48)
    assert found.attribution.dtype == found.logits.dtype == np.float32
    assert np.isfinite(found.attribution).all() and found.attribution.any()
    assert found.signed or found.attribution.min() >= 0
    assert (found.completeness_error is not None) == asked.complete
    branches = {"conv"} if asked.conv_only else {"conv", "hog"}
    assert set(found.parts) == (branches if net.has_hog else set())
    assert all(part.dtype == np.float32 for part in found.parts.values())
    assert (found.layer is not None) == asked.needs_layer
    assert (found.baseline is not None) == asked.uses_baseline
    unseen = any("conv branch only" in note for note in found.notes)
    assert unseen == (net.has_hog and asked.conv_only)


@pytest.mark.parametrize("method", METHODS)
def test_a_contrast_explains_the_difference_of_two_logits(
    method: str, net: FERNet, faces: np.ndarray
) -> None:
    options = CHEAP.get(method, {})
    angry, fear = (explain(net, faces, method, c, **options).attribution for c in (0, 2))
    found = explain(net, faces, method, "angry", contrast_class="fear", **options)
    assert found.contrast_class is not None and found.contrast_class.tolist() == [2, 2, 2]
    assert np.isfinite(found.attribution).all() and not np.allclose(found.attribution, angry)
    if method in LINEAR_IN_SCORE:
        near = 1e-4 * np.abs(angry).max()
        np.testing.assert_allclose(found.attribution, angry - fear, rtol=1e-3, atol=near)


@pytest.mark.parametrize("method", METHODS)
def test_the_asked_class_is_the_explained_one(method: str, net: FERNet, faces: np.ndarray) -> None:
    options = CHEAP.get(method, {})
    mixed = explain(net, faces, method, ["sad", 0, "happy"], **options)
    assert mixed.target_class.tolist() == [4, 0, 3]
    sad = explain(net, faces[:1], method, 4, **options).attribution
    happy = explain(net, faces[:1], method, 3, **options).attribution
    near = 1e-3 * np.abs(sad).max()
    np.testing.assert_allclose(mixed.attribution[0], sad[0], rtol=1e-3, atol=near)
    assert not np.allclose(sad, happy, atol=near)


@pytest.mark.parametrize("method", WITH_BASELINE)
def test_every_baseline_works_and_matters(method: str, net: FERNet, make_faces) -> None:
    faces, chosen = make_faces(2), make_faces(1, seed=7)[0]
    found = [
        explain(net, faces, method, 1, baseline, **CHEAP.get(method, {}))
        for baseline in (*BASELINES, chosen)
    ]
    assert [one.baseline for one in found] == [*BASELINES, "array"]
    for i, one in enumerate(found):
        assert np.isfinite(one.attribution).all()
        assert not any(np.allclose(one.attribution, other.attribution) for other in found[:i])


@pytest.mark.parametrize("method", METHODS)
def test_threads_get_the_serial_answers(method: str, hybrid: FERNet, faces: np.ndarray) -> None:
    def one(job: int) -> np.ndarray:
        return explain(hybrid, faces, method, job % 7, **CHEAP.get(method, {})).attribution

    serial = [one(job) for job in range(3)]
    with ThreadPoolExecutor(3) as pool:
        for threaded, wanted in zip(pool.map(one, range(3)), serial, strict=True):
            near = 1e-5 * np.abs(wanted).max()
            np.testing.assert_allclose(threaded, wanted, rtol=1e-4, atol=near)


@pytest.mark.parametrize("method", METHODS)
def test_a_failing_method_leaves_no_trace(method: str, net: FERNet, faces: np.ndarray) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a layer fails")

    handle = net.get_submodule("classifier").register_forward_hook(fail)
    before = state_of(net)
    with pytest.raises(RuntimeError, match="a layer fails"):
        explain(net, faces, method, **CHEAP.get(method, {}))
    assert_same(before, state_of(net))
    handle.remove()
    assert lock_of(net).acquire(blocking=False)
    lock_of(net).release()
