"""What a network makes of a face just before it decides, as a map of all faces.

``python -m fermodels.xai.inspect.features --model NAME --data PATH`` writes the map that the
studio draws: ``results/representation-NAME.parquet``, its provenance beside it.
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from fermodels.data.dataset import FaceDataset
from fermodels.data.readers.discover import read_faces
from fermodels.errors import ConfigError, DataError, exit_status
from fermodels.memory import keep_freed_memory
from fermodels.nets import checkpoint
from fermodels.nets.fernet import FERNet
from fermodels.results import ResultFile, provenance
from fermodels.xai.model_access import batches, exact, shared_weight_copy

Points = NDArray[np.float32]
"""``(N, 2)``: where each face lies on a map; the axes have no unit."""


def penultimate(model: nn.Module, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what the last affine layer reads of each face, float32 ``(N, units)``.

    Works on a shared-weight copy: others may predict with `model` meanwhile.

    Args:
        model: a FERNet.
        faces: uint8 ``(N, 48, 48)``.

    Raises:
        ConfigError: the model is no FERNet.
        DataError: faces of another shape or dtype, or none.
    """
    if not isinstance(model, FERNet):
        raise ConfigError(
            f"the model is a {type(model).__name__}: penultimate features are a FERNet's; "
            "load one with fermodels.load"
        )
    net = shared_weight_copy(model)
    with exact(net), torch.no_grad():
        rows = [net.features(batch).float().cpu() for batch in batches(net, faces)]
    return torch.cat(rows).numpy()


def principal_components(features: NDArray[np.floating]) -> tuple[Points, tuple[float, float]]:
    """Lay points out along the two directions in which they differ most (Pearson 1901).

    An axis points to where its largest loading is positive, so equal data give equal maps.

    Args:
        features: ``(N, units)``, N at least 2.

    Returns:
        Points ``(N, 2)``, and the share of the variance along each axis, 0 to 1.

    Raises:
        DataError: fewer than two points or two features.
    """
    if features.ndim != 2 or min(features.shape) < 2:
        raise DataError(f"features have shape {features.shape}: expected at least (2, 2)")
    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    variances, eigenvectors = np.linalg.eigh(centred.T @ centred)  # ascending
    axes = eigenvectors[:, [-1, -2]]
    axes *= np.sign(axes[np.abs(axes).argmax(0), [0, 1]])
    total = max(float(variances.sum()), np.finfo(float).tiny)
    shares = (float(variances[-1] / total), float(variances[-2] / total))
    return (centred @ axes).astype(np.float32), shares


def umap_map(features: NDArray[np.floating], seed: int = 0, neighbours: int = 15) -> Points:
    """Lay points out so that near ones stay near (UMAP: McInnes et al. 2018, arXiv 1802.03426).

    Cosine distance. Clusters may be believed, distances between them and their sizes not.

    Args:
        features: ``(N, units)``, N above `neighbours`.
        seed: equal seeds give equal maps, on one machine.
        neighbours: how many neighbours of a point count as near, 2 or more.

    Raises:
        ConfigError: umap-learn is not installed, or too few points for so many neighbours.
    """
    if not 2 <= neighbours < len(features):
        raise ConfigError(
            f"{neighbours} neighbours among {len(features)} points: expected 2 to N - 1"
        )
    try:
        from umap import UMAP  # type: ignore[import-not-found,import-untyped]
    except ImportError as error:
        raise ConfigError(
            f"UMAP needs a library that is not installed ({error}): pip install 'fer-studio[umap]'"
        ) from error
    with warnings.catch_warnings():
        # a fixed seed rules parallel work out, which UMAP says each time
        warnings.filterwarnings("ignore", message="n_jobs value")
        layout = UMAP(n_neighbors=neighbours, metric="cosine", random_state=seed, n_jobs=1)
        points: Points = layout.fit_transform(features.astype(np.float32)).astype(np.float32)
    return points


def shown_rows(faces: FaceDataset, train: int, seed: int) -> NDArray[np.intp]:
    """Return the rows of a map: all validation and test faces, and a draw of training faces."""
    rng = np.random.default_rng(seed)
    learned = np.flatnonzero(faces.splits == "train")
    drawn = rng.permutation(learned)[:train]
    return np.sort(np.concatenate([np.flatnonzero(faces.splits != "train"), drawn]))


def representation(
    model: nn.Module, faces: FaceDataset, seed: int = 0, *, umap: bool = True
) -> tuple[pd.DataFrame, tuple[float, float]]:
    """Map faces by their penultimate features.

    Args:
        model: a FERNet.
        faces: all of them are mapped.
        seed: for UMAP.
        umap: also lay them out by UMAP, which needs umap-learn.

    Returns:
        One row per face: sample_id, split, label, x_pca, y_pca and, with `umap`, x_umap, y_umap;
        and the shares of variance on the two principal axes.
    """
    features = penultimate(model, faces.images)
    points, shares = principal_components(features)
    about = {"sample_id": faces.ids, "split": faces.splits, "label": faces.labels}
    table = pd.DataFrame(about | {"x_pca": points[:, 0], "y_pca": points[:, 1]})
    if umap:
        near = min(15, len(features) - 1)
        table[["x_umap", "y_umap"]] = umap_map(features, seed, near)
    return table, shares


def command_line() -> argparse.ArgumentParser:
    """Return the parser of this module's command."""
    parser = argparse.ArgumentParser(
        prog="python -m fermodels.xai.inspect.features", description=__doc__
    )
    parser.add_argument("--model", required=True, help="a bundled checkpoint's name")
    parser.add_argument("--data", default="samples", help="whatever fermodels.read_faces reads")
    parser.add_argument("--train", type=int, default=4000, help="how many training faces to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-umap", action="store_true", help="principal components only")
    return parser


def run(options: argparse.Namespace) -> None:
    """Write a model's map and its provenance.

    Raises:
        FerError: data or model that cannot be read, or no umap-learn where it is asked for.
    """
    result = ResultFile(
        f"representation-{options.model}",
        "python -m fermodels.xai.inspect.features",
        columns=("sample_id", "x_pca", "y_pca"),
    )
    result.check_free()
    faces = read_faces(options.data)
    shown = faces.select(shown_rows(faces, options.train, options.seed))
    model = checkpoint.load(options.model)
    table, shares = representation(model, shown, options.seed, umap=not options.no_umap)
    about = {
        "model": options.model,
        "faces": {split: int((shown.splits == split).sum()) for split in np.unique(shown.splits)},
        "variance_shares": [round(share, 6) for share in shares if math.isfinite(share)],
        "provenance": provenance(options.seed, faces.name, faces.content_hash),
    }
    result.write(about, table)
    print(f"{result.name}: {len(table)} faces, {sum(shares):.1%} of the variance on two axes")


def main(argv: list[str] | None = None) -> int:
    """Do it; an error of ours is one sentence and exit status 2."""
    options = command_line().parse_args(argv)
    return exit_status(lambda: run(options))


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
