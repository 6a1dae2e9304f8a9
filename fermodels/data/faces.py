"""Faces from whatever form people hold them in: `read_faces`, and the `FaceDataset` it returns."""

from __future__ import annotations

from pathlib import Path

from fermodels.data.dataset import FACE_SHAPE as FACE_SHAPE
from fermodels.data.dataset import SPLITS as SPLITS
from fermodels.data.dataset import FaceDataset as FaceDataset


def read_faces(source: str | Path) -> FaceDataset:
    """Read labelled faces from any form in which people hold them, found by looking.

    Args:
        source: a CSV file, a parquet file, a folder (of parquets, CSVs or class folders),
            ``"samples"`` for the faces shipped with this project, or ``"hub:owner/name"``
            for a dataset on the Hugging Face Hub.

    Raises:
        DataError: nothing readable there; names file, row, value seen and what was expected.
        HubError: the Hub refused or could not be reached.
    """
    from fermodels.data import formats

    return formats.read(source)
