"""Batches are as few as the limit allows, and even."""

from __future__ import annotations

import pytest
import torch

from fermodels.xai.model_access import evenly


@pytest.mark.parametrize("most", [1, 3, 16, 52])
@pytest.mark.parametrize("count", [0, 1, 16, 17, 51, 104])
def test_batches_are_few_and_even_and_hold_all_rows_in_order(count: int, most: int) -> None:
    rows = torch.arange(count)
    parts = evenly(rows, most)
    sizes = [len(part) for part in parts]
    assert torch.equal(torch.cat(parts), rows)
    assert max(sizes) <= most and max(sizes) - min(sizes) <= 1
    assert len(sizes) == max(1, (count + most - 1) // most)
