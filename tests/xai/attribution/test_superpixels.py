"""Patches of a face."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fermodels.xai.attribution.surrogates import patches_of


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize("wanted", [4, 36, 100])
def test_patches_tile_the_face(wanted: int, follow: bool, faces: np.ndarray) -> None:
    face = torch.from_numpy(faces[:1]).float() / 255
    masks = patches_of(face, wanted, follow)
    assert masks.dtype == torch.bool and (masks.sum(0) == 1).all()
    assert masks.any((1, 2)).all() and wanted / 2 <= len(masks) <= 2 * wanted


def test_squares_are_equal() -> None:
    masks = patches_of(torch.zeros(1, 48, 48), 36, follow=False)
    assert masks.shape == (36, 48, 48) and (masks.sum((1, 2)) == 64).all()
    assert masks[7, 8:16, 8:16].all()  # row by row


def test_slic_does_not_cross_an_edge() -> None:
    face = torch.zeros(1, 48, 48)
    face[:, :, 29:] = 1.0
    for mask in patches_of(face, 16, follow=True):
        shares = mask[:, :29].sum() / mask.sum(), mask[:, 29:].sum() / mask.sum()
        assert max(shares) > 0.95
