"""How long the 300 MB CSV takes: ``python -m benchmarks.data [fer2013.csv]``.

Times `pandas.read_csv` of the same file alone, our reading with an empty cache (digits to
pixels, checked), and our reading from the cache; medians of interleaved repeats in one run.
Without an argument the CSV is written from ``FER2013_DIR`` into a temporary folder first.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from fermodels.data.dataset import FaceDataset
from fermodels.data.readers import cache
from fermodels.data.readers.discover import read_faces

REPEATS = 5
_USAGES = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
_LEVELS = np.array([list(f"{level} ".ljust(4, "\0").encode()) for level in range(256)], np.uint8)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=Path, nargs="?", help="fer2013.csv")
    csv = parser.parse_args().csv
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_CACHE"] = str(Path(folder) / "cache")
        path = csv or _write_csv(Path(folder) / "fer2013.csv")
        if path is None:
            print("data: give fer2013.csv, or set FER2013_DIR to FER-2013's parquet files")
            sys.exit(2)
        report(path, Path(folder) / "cache")


def report(path: Path, folder: Path) -> None:
    """Print pandas' time, ours without and with the cache, and the ratios.

    Args:
        path: the CSV.
        folder: the cache of this benchmark, which is removed before each reading.
    """
    plain, cold, warm = [], [], []
    for _ in range(REPEATS):
        plain.append(seconds(lambda: pd.read_csv(path)))
        shutil.rmtree(folder, ignore_errors=True)
        cold.append(seconds(lambda: read_faces(path)))
        cache.finish()
        warm.append(seconds(lambda: read_faces(path)))
    base = statistics.median(plain)
    print(f"CSV of {path.stat().st_size / 1e6:.0f} MB, medians of {REPEATS}:")
    print(f"  pandas.read_csv alone   {base:6.3f} s")
    print(f"  read_faces, no cache    {statistics.median(cold):6.3f} s", end="  ")
    print(f"{statistics.median(cold) / base:.2f}x pandas (goal: at most 1.5x)")
    print(f"  read_faces, cached      {statistics.median(warm):6.3f} s  (goal: under 0.5 s)")


def seconds(work: Callable[[], object]) -> float:
    """Return how long the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _write_csv(path: Path) -> Path | None:
    """Write FER-2013 as Kaggle's CSV, or return None if ``FER2013_DIR`` is not set."""
    source = os.environ.get("FER2013_DIR")
    if not source:
        return None
    faces: FaceDataset = read_faces(source)
    with path.open("wb") as file:
        file.write(b"emotion,pixels,Usage\n")
        for image, label, split in zip(faces.images, faces.labels, faces.splits, strict=True):
            text = _LEVELS[image.ravel()].tobytes().translate(None, b"\0")[:-1]
            file.write(b"%d,%b,%b\n" % (label, text, _USAGES[split].encode()))
    return path


if __name__ == "__main__":
    main()
