"""The template of a face's parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fermodels.data.samples import sample_set
from fermodels.data.synthetic import face_parts, random_spec
from fermodels.errors import DataError
from fermodels.nets.fernet import FERNet
from fermodels.xai.attribution.explain import explain
from fermodels.xai.attribution.occlusion import REGIONS, region_masks, region_shares, region_sums


def test_regions_tile_the_picture_and_are_symmetric() -> None:
    masks = region_masks()
    assert tuple(masks) == REGIONS
    assert (np.sum(list(masks.values()), axis=0) == 1).all()
    for name, mask in masks.items():
        assert mask.sum() > 60, name
        np.testing.assert_array_equal(mask, mask[:, ::-1], err_msg=name)


def test_regions_lie_where_the_parts_of_rendered_faces_are() -> None:
    """The renderer knows the parts; it frames its faces as FER-2013 does."""
    stored, masks = sample_set(), region_masks()
    hits: dict[str, list[float]] = {}
    for row in range(0, len(stored.seeds), 40):
        spec = random_spec(int(stored.seeds[row]), int(stored.faces.labels[row]))
        for name, part in face_parts(spec).items():
            hits.setdefault(name, []).append((part & masks[name]).sum() / part.sum())
    assert set(hits) == {"eyes", "brows", "nose", "mouth"}
    for name, shares in hits.items():
        assert np.mean(shares) > 2 * masks[name].mean() + 0.3, (name, np.mean(shares))


def test_region_sums_add_up_to_the_map() -> None:
    maps = np.random.default_rng(0).normal(size=(3, 48, 48)).astype(np.float32)
    sums = region_sums(maps)
    assert list(sums) == list(REGIONS)
    assert all(value.shape == (3,) and value.dtype == np.float32 for value in sums.values())
    np.testing.assert_allclose(sum(sums.values()), maps.sum((1, 2)), atol=1e-3)
    slow = sum(maps[1, r, c] for r in range(48) for c in range(48) if region_masks()["mouth"][r, c])
    assert region_sums(maps[1])["mouth"] == pytest.approx(slow, abs=1e-3)
    assert region_sums(torch.from_numpy(maps))["nose"].tolist() == sums["nose"].tolist()


def test_region_shares_add_up_to_one_and_a_blank_map_has_none() -> None:
    eyes = np.where(region_masks()["eyes"], -2.0, 0.0)
    shares = region_shares(np.stack([eyes, np.ones((48, 48))]))
    assert shares["eyes"][0] == 1 and shares["mouth"][0] == 0
    assert shares["mouth"][1] == pytest.approx(region_masks()["mouth"].mean())
    assert np.isnan(region_shares(np.zeros((48, 48)))["eyes"])


def test_maps_of_another_size_are_refused() -> None:
    for shape in ((48,), (48, 47), (48, 48, 1)):
        with pytest.raises(DataError, match="expected \\(48, 48\\)"):
            region_sums(np.zeros(shape))


@pytest.mark.parametrize("baseline", ["mean-face", "black"])
def test_ablation_sums_to_each_parts_fall(baseline: str, hybrid: FERNet, faces: np.ndarray) -> None:
    found = explain(hybrid, faces, "feature-ablation", 2, baseline).attribution
    x = torch.from_numpy(faces).float()[:, None] / 255
    below = hybrid.mean_face if baseline == "mean-face" else torch.zeros(1, 1, 48, 48)
    with torch.no_grad():
        whole = hybrid(x)[:, 2]
        for name, mask in region_masks().items():
            fall = whole - hybrid(torch.where(torch.from_numpy(mask), below, x))[:, 2]
            ours = region_sums(found)[name]
            np.testing.assert_allclose(ours, fall, rtol=1e-3, atol=1e-3, err_msg=name)
            assert found[0][mask].std() < 1e-5  # spread evenly


def test_ablation_of_a_linear_model_gives_each_parts_own_sum(
    linear: nn.Module, faces: np.ndarray
) -> None:
    found = explain(linear, faces, "feature-ablation", 4, "black").attribution
    weight = linear.get_parameter("weight")[4].detach().numpy().reshape(48, 48)
    wanted = region_sums(weight * faces.astype(np.float32) / 255)
    for name, ours in region_sums(found).items():
        np.testing.assert_allclose(ours, wanted[name], rtol=1e-3, atol=2e-3, err_msg=name)
