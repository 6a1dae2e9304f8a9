"""The faces and photographs that ship with the project, all free of licence strings.

The sample faces are synthetic (`fermodels.data.synthetic`) and stored, so that opening the studio
renders nothing; ``python -m fermodels.data.samples --write`` renders them anew. The photographs
are the public-domain ones inside scikit-image's own wheel.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from fermodels.errors import DataError

ASSETS = Path(__file__).parent / "assets"
FACES_FILE, PROVENANCE_FILE = ASSETS / "samples.npz", ASSETS / "samples.json"
SEED = 2013
PER_CLASS: dict[str, int] = {"train": 60, "validation": 20, "test": 40}
"""Faces per expression in each split."""
NAME = "samples"
NOTES = (
    "Synthetic faces of invented people, rendered from FACS action units; not photographs.",
    "Scores on them say how a network reads these renderings, not how well it reads people.",
)


@dataclass(frozen=True, eq=False)
class SampleSet:
    """The stored artefact: faces, their action units and the seeds that render them."""

    faces: FaceDataset
    action_units: NDArray[np.float32]
    seeds: NDArray[np.int64]


@lru_cache(maxsize=1)
def sample_set() -> SampleSet:
    """Return the shipped set, read once per process.

    Raises:
        DataError: the artefact is missing from the installation.
    """
    if not FACES_FILE.is_file():
        raise DataError(
            f"no sample faces at {FACES_FILE}: run 'python -m fermodels.data.samples --write'"
        )
    with np.load(FACES_FILE, allow_pickle=False) as stored:
        faces = FaceDataset(
            stored["images"], stored["labels"], stored["splits"], name=NAME, notes=NOTES
        )
        return SampleSet(faces, stored["action_units"], stored["seeds"])


def sample_faces() -> FaceDataset:
    """Return the shipped faces: 60 + 20 + 40 per expression, in three splits."""
    return sample_set().faces


def read_samples() -> FaceDataset:
    """Return what ``read_faces("samples")`` reads."""
    return sample_faces()


def sample_action_units() -> NDArray[np.float32]:
    """Return intensities 0..1, float32 (N, A): rows as `sample_faces`, columns as AU_NAMES."""
    return sample_set().action_units


def sample_photos() -> dict[str, NDArray[np.uint8]]:
    """Return named public-domain photographs of people, uint8 (H, W, 3).

    ``astronaut`` is NASA's portrait of Eileen Collins, in scikit-image's wheel: no download.
    """
    from skimage import data

    return {"astronaut": np.asarray(data.astronaut(), np.uint8)}  # type: ignore[no-untyped-call]


def render_samples() -> SampleSet:
    """Render the set from its seeds; about 10 ms a face."""
    from fermodels.data.synthetic import synthetic_faces

    parts = [synthetic_faces(count, SEED, split) for split, count in PER_CLASS.items()]
    faces = FaceDataset(
        np.concatenate([part.faces.images for part in parts]),
        np.concatenate([part.faces.labels for part in parts]),
        np.concatenate([part.faces.splits for part in parts]),
        name=NAME,
        notes=NOTES,
    )
    units = np.concatenate([part.action_units for part in parts])
    return SampleSet(faces, units, np.concatenate([part.seeds for part in parts]))


def code_hash() -> str:
    """Return the SHA-256 over the renderer's source files, line endings normalised."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "synthetic").glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def write_samples() -> None:
    """Render the set and store it with its provenance."""
    fresh = render_samples()
    ASSETS.mkdir(exist_ok=True)
    np.savez_compressed(
        FACES_FILE,
        images=fresh.faces.images,
        labels=fresh.faces.labels,
        splits=fresh.faces.splits,
        action_units=fresh.action_units,
        seeds=fresh.seeds,
    )
    provenance = {
        "what": "Synthetic faces rendered by fermodels.data.synthetic; no photograph is in them.",
        "licence": "same as this project",
        "command": "python -m fermodels.data.samples --write",
        "seed": SEED,
        "faces_per_class": PER_CLASS,
        "content_hash": fresh.faces.content_hash,
        "renderer_hash": code_hash(),
        "versions": {name: metadata.version(name) for name in ("numpy", "scipy")},
    }
    PROVENANCE_FILE.write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Write the artefact, or say what it holds."""
    parser = argparse.ArgumentParser(prog="python -m fermodels.data.samples", description=__doc__)
    parser.add_argument("--write", action="store_true", help="render and store the faces anew")
    arguments = parser.parse_args(argv)
    if arguments.write:
        write_samples()
        sample_set.cache_clear()
    faces = sample_faces()
    print(f"{len(faces)} sample faces, {faces.counts()}, {faces.content_hash[:12]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
