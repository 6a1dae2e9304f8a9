"""Splitting many faces into batches."""

from __future__ import annotations

from torch import Tensor


def evenly(rows: Tensor, most: int) -> tuple[Tensor, ...]:
    """Split along the first dimension into as few parts of at most `most` as do, even in size."""
    return rows.tensor_split(max(1, -(-len(rows) // most)))
