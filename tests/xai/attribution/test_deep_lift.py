"""DeepLIFT adds up: through HOG, over several baselines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import DeepLiftShap

from fermodels.nets.fernet import FERNet, to_pixels
from fermodels.nets.variants import VARIANTS
from fermodels.xai.attribution.baselines import BASELINES
from fermodels.xai.attribution.explain import explain
from fermodels.xai.attribution.modified_backprop import deep_lift
from fermodels.xai.attribution.request import AttributionRequest
from fermodels.xai.model_access import ROWS

pytestmark = pytest.mark.filterwarnings("ignore")  # Captum's notices about hooks


@pytest.mark.parametrize("variant", VARIANTS)
def test_deep_lift_is_complete_on_every_variant(variant, build, faces: np.ndarray) -> None:
    """Within 4%, hybrids too: their HOG features' credit goes on to the pixels."""
    net = build(VARIANTS[variant].config)
    for baseline in ("mean-face", "blur"):
        found = explain(net, faces, "deep-lift", 1, baseline)
        assert found.completeness_error is not None
        drop = np.abs(found.attribution.sum((1, 2))) / (1 + found.completeness_error)
        # relative to the largest: some faces' own change is all but zero
        assert (found.completeness_error * drop).max() < 0.04 * drop.max(), baseline


def test_a_hybrids_parts_are_what_the_joint_gave_each_branch(
    hybrid: FERNet, faces: np.ndarray
) -> None:
    """By hand: the head's multipliers at the joint, times each branch's own change there."""
    found = explain(hybrid, faces, "deep-lift", 4)
    x = to_pixels(faces).float() / 255
    below = BASELINES["mean-face"].build(hybrid, x)
    with torch.no_grad():
        joint, joint_below = (
            torch.cat(
                [
                    hybrid.conv_norm(hybrid.conv_maps(f).permute(0, 2, 3, 1).flatten(1)),
                    hybrid.hog_norm(hybrid.hog(f)),
                ],
                1,
            )
            for f in (x, below)
        )
        fc = hybrid.get_submodule("fc1")
        z, z_below = (fc.bn(fc.linear(j)) for j in (joint, joint_below))  # type: ignore[operator]
        slope = (z.relu() - z_below.relu()) / (z - z_below)
        gain = fc.bn.weight / (fc.bn.running_var + fc.bn.eps).sqrt()  # type: ignore[union-attr, operator]
        weight = fc.linear.weight * gain[:, None]  # type: ignore[union-attr, operator]
        multipliers = (hybrid.classifier.weight[4] * slope) @ weight
        credit = multipliers * (joint - joint_below)
    split = hybrid.config.conv_features
    for name, wanted in (("conv", credit[:, :split]), ("hog", credit[:, split:])):
        ours, near = found.parts[name].sum((1, 2)), 0.01 * float(credit.abs().sum(1).max())
        np.testing.assert_allclose(ours, wanted.sum(1), rtol=0.01, atol=near, err_msg=name)


@pytest.mark.parametrize("kind", ["net", "hybrid"])
def test_deep_lift_shap_is_the_mean_over_its_baselines(
    kind: str, request: pytest.FixtureRequest, make_faces
) -> None:
    model, faces, below = request.getfixturevalue(kind), make_faces(2), make_faces(3, seed=5)
    found = explain(model, faces, "deep-lift-shap", 1, below)
    each = [explain(model, faces, "deep-lift", 1, one).attribution for one in below]
    np.testing.assert_allclose(found.attribution, np.mean(each, 0), rtol=1e-3, atol=1e-4)
    assert found.completeness_error is not None and found.completeness_error.max() < 0.04


def test_deep_lift_shap_equals_captums_on_a_net_it_gets_right(
    cnn: torch.nn.Module, make_faces
) -> None:
    """ReLU straight into max-pool is what Captum gets wrong: give it a step between."""
    faces, below = make_faces(2), make_faces(ROWS + 3, seed=5)  # more pairs than one batch
    cnn.get_submodule("conv1").pool = torch.nn.AvgPool2d(8)  # type: ignore[union-attr]
    found = explain(cnn, faces, "deep-lift-shap", 1, below)
    x, b = (to_pixels(f).float() / 255 for f in (faces, below))
    wanted = DeepLiftShap(cnn).attribute(x, b, target=1)[:, 0].detach()
    np.testing.assert_allclose(found.attribution, wanted, rtol=1e-3, atol=1e-6)


def test_with_one_baseline_deep_lift_shap_is_deep_lift(net: FERNet, faces: np.ndarray) -> None:
    for baseline in ("blur", faces[0]):
        np.testing.assert_array_equal(
            explain(net, faces, "deep-lift-shap", 1, baseline).attribution,
            explain(net, faces, "deep-lift", 1, baseline).attribution,
        )


def test_hog_is_back_in_its_place_after_an_exception(hybrid: FERNet, faces: np.ndarray) -> None:
    x = to_pixels(faces).float() / 255
    target = np.zeros(3, np.int64)
    request = AttributionRequest(hybrid, x, hybrid.mean_face.expand_as(x), True, {}, target=target)
    hog = hybrid.hog
    hybrid.classifier.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        deep_lift(request)
    assert hybrid.hog is hog
    assert not hybrid.get_submodule("conv1.relu")._forward_pre_hooks
