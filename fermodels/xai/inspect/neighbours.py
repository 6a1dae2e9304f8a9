"""Explanation by example: which training faces does the network take for most like this one?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fermodels.data.dataset import FaceDataset
from fermodels.errors import DataError
from fermodels.xai.inspect.features import penultimate

CHUNK = 8192
"""Rows compared at once: 16 MB of float32 for 512 features."""


@dataclass(frozen=True, eq=False)
class FeatureBank:
    """The penultimate features of a set of faces, kept for looking up neighbours."""

    unit_features: NDArray[np.float16]
    """``(N, units)``: features divided by their length; 29 MB for FER-2013's training faces."""
    ids: NDArray[np.str_]
    """``(N,)``: sample ids."""
    labels: NDArray[np.int64]
    """``(N,)``: class indices."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The faces nearest to one face, nearest first."""

    rows: NDArray[np.int64]
    """``(k,)``: positions in the bank, and in the data set it was made from."""
    ids: NDArray[np.str_]
    """``(k,)``."""
    labels: NDArray[np.int64]
    """``(k,)``."""
    distances: NDArray[np.float32]
    """``(k,)``: 1 - cosine, 0 (same direction) to 2; to about 0.001, as the bank is float16."""

    def share(self, label: int) -> float:
        """Return the share of the neighbours that carry `label`, 0 to 1."""
        return float((self.labels == label).mean())


def feature_bank(model: nn.Module, faces: FaceDataset) -> FeatureBank:
    """Compute and keep the features of all `faces`, usually a training split.

    Args:
        model: a FERNet.
        faces: those to be found later; rows keep their order.

    Raises:
        ConfigError: the model is no FERNet.
    """
    unit = _unit_rows(penultimate(model, faces.images))
    return FeatureBank(unit.astype(np.float16), faces.ids, faces.labels)


def nearest(
    bank: FeatureBank,
    model: nn.Module,
    face: NDArray[np.uint8],
    count: int = 12,
    *,
    besides: str | None = None,
) -> Neighbours:
    """Find the faces that the network takes for most like `face`.

    Args:
        bank: from `feature_bank`, of the same model.
        model: a FERNet.
        face: uint8 ``(48, 48)``.
        count: how many, 1 to the size of the bank (less one with `besides`).
        besides: sample id of the face itself, where it is in the bank. Copies of it under other
            ids are found, at distance 0: FER-2013 holds many.

    Raises:
        DataError: not one face, features of another width, or more asked than there are.
    """
    query = _unit_rows(penultimate(model, face))
    if len(query) != 1 or query.shape[1] != bank.unit_features.shape[1]:
        raise DataError(
            f"{len(query)} faces with {query.shape[1]} features: expected one face and the bank's "
            f"{bank.unit_features.shape[1]} features; make the bank with the same model"
        )
    cosines = _cosines(bank, query[0])
    if besides is not None:
        cosines[bank.ids == besides] = -np.inf
    available = int(np.isfinite(cosines).sum())
    if not 1 <= count <= available:
        raise DataError(f"{count} neighbours asked for: expected 1 to {available}")
    nearest = np.argpartition(-cosines, count - 1)[:count]
    rows = nearest[np.argsort(-cosines[nearest], kind="stable")]
    distances = np.clip(1 - cosines[rows], 0, 2)
    return Neighbours(rows, bank.ids[rows], bank.labels[rows], distances)


def _unit_rows(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide each row by its length; a row of zeros stays zero."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = np.zeros_like(features)
    np.divide(features, lengths, out=unit, where=lengths > 0)
    return unit


def _cosines(bank: FeatureBank, query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiply chunk by chunk: torch widens float16 several times faster than numpy."""
    stored, wanted = torch.from_numpy(bank.unit_features), torch.from_numpy(query)
    cosines = torch.cat([part.float() @ wanted for part in stored.split(CHUNK)])
    return np.asarray(cosines.numpy(), np.float32)
