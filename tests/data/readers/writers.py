"""Small writers of the forms in which people hold FER-2013, and made-up faces to put in them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from fermodels.data.dataset import SPLITS, FaceDataset
from fermodels.data.emotions import EMOTIONS

USAGES = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
_LEVELS = np.array([list(f"{level} ".ljust(4, "\0").encode()) for level in range(256)], np.uint8)


def made_up(counts: Sequence[int] = (42, 14, 14), seed: int = 0) -> FaceDataset:
    """Random pictures with every class in every split, in FER-2013's order of splits."""
    n = sum(counts)
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 48, 48), dtype=np.uint8)
    images[::3] //= 9  # one- and two-digit levels too
    labels = np.concatenate([rng.permutation(np.arange(count) % 7) for count in counts])
    return FaceDataset(images, labels, np.repeat(np.array(SPLITS), counts), "made up")


def pixel_text(image: NDArray[np.uint8]) -> str:
    """The grey levels as the CSVs spell them."""
    return _LEVELS[image.ravel()].tobytes().translate(None, b"\0").decode()[:-1]


def write_csv(
    path: Path, faces: FaceDataset, columns: str = "emotion,pixels,Usage", quote: str = ""
) -> Path:
    """Write a CSV with the given header line (as in ``emotion, Usage, pixels``)."""
    order = [name.strip() for name in columns.split(",")]
    with path.open("w", newline="") as file:
        file.write(columns + "\n")
        for image, label, split in zip(faces.images, faces.labels, faces.splits, strict=True):
            cells = {
                "emotion": str(label),
                "pixels": quote + pixel_text(image) + quote,
                "Usage": USAGES[split],
            }
            file.write(",".join(cells.get(name, "0") for name in order) + "\n")
    return path


def encoded(image: NDArray[np.uint8], form: str = "PNG") -> bytes:
    """One picture as a file's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form)
    return buffer.getvalue()


def write_folders(
    folder: Path,
    faces: FaceDataset,
    names: Sequence[str] | None = None,
    splits: dict[str, str] | None = None,
    classes: Sequence[str] = EMOTIONS,
    form: str = "PNG",
) -> Path:
    """Write class folders inside split folders; by default names carry Usage and row number."""
    splits = splits or {"train": "train", "validation": "test", "test": "test"}
    for row, (image, label, split) in enumerate(
        zip(faces.images, faces.labels, faces.splits, strict=True)
    ):
        place = folder / splits[split] / classes[label]
        place.mkdir(parents=True, exist_ok=True)
        name = names[row] if names else f"{USAGES[split]}_fer{row:07d}.{form.lower()}"
        (place / name).write_bytes(encoded(image, form))
    return folder


def write_parquet(
    path: Path,
    faces: FaceDataset,
    labels: Sequence[object] | None = None,
    class_names: Sequence[str] | None = None,
    first_row: int = 0,
) -> Path:
    """Write a Hub-style parquet file, with ClassLabel names in its metadata if given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [
        {"bytes": encoded(image), "path": f"fer{row:07d}.png"}
        for row, image in enumerate(faces.images, first_row)
    ]
    table = pa.table({"image": cells, "label": faces.labels if labels is None else labels})
    if class_names:
        feature = {"names": list(class_names), "_type": "ClassLabel"}
        info = {"info": {"features": {"label": feature, "image": {"_type": "Image"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    pq.write_table(table, path)
    return path


def same(left: FaceDataset, right: FaceDataset) -> bool:
    """Whether two datasets hold the same faces in the same order."""
    return (
        np.array_equal(left.images, right.images)
        and np.array_equal(left.labels, right.labels)
        and np.array_equal(left.splits, right.splits)
    )
