"""Whether a change of the code changed a result: ``python -m benchmarks.same_results``.

Run it at one revision with ``--out OLD.npz``, at another with ``--against OLD.npz``: predictions,
every method's attributions and a dream of sample faces, for every bundled network. Attributions
and predictions may differ by `TOLERANCE` of their largest value, dreams not at all. Exit status 1
if any does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import fermodels
from fermodels import METHODS, VARIANTS, dream, explain, read_faces

TOLERANCE = 1e-6
FACES = 12


def results(name: str) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Yield what a network gives for sample faces, each with its own key."""
    samples = read_faces("samples")
    faces = samples.images[:: len(samples) // FACES][:FACES]
    net = fermodels.load(name)
    yield f"{name}/predictions", net.predict(faces)
    for method in METHODS:
        yield f"{name}/{method}", explain(net, faces, method).attribution
    yield f"{name}/dream", dream(net, faces[0], seed=0, target="happy", steps=8).frames


def main(words: Sequence[str] | None = None) -> int:
    """Write the results, or compare them with those of another revision."""
    parser = argparse.ArgumentParser("benchmarks.same_results", description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(VARIANTS), metavar="NAME")
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("--out", type=Path, help="a new .npz file")
    to.add_argument("--against", type=Path, help="what another revision wrote")
    args = parser.parse_args(words)
    torch.set_num_threads(1)  # sums of several threads differ in the last bit
    now = {key: value for name in args.models for key, value in results(name)}
    if args.out:
        with args.out.open("xb") as file:
            np.savez_compressed(file, allow_pickle=False, **now)
        print(f"{len(now)} results written")
        return 0
    with np.load(args.against, allow_pickle=False) as before:
        furthest = {key: difference(before[key], now[key]) for key in now}
        missing = sorted(set(before.files) ^ set(now))
    for key, much in sorted(furthest.items(), key=lambda item: -item[1])[:5]:
        print(f"{key:40} differs by {much:.2g} of its largest value")
    wrong = [key for key, much in furthest.items() if much > (0 if "dream" in key else TOLERANCE)]
    print(f"{len(now)} results, {len(wrong)} differ; on one side only: {missing or 'none'}")
    return int(bool(wrong or missing))


def difference(before: NDArray[np.generic], now: NDArray[np.generic]) -> float:
    """Return the largest difference relative to the largest value; infinite for other shapes."""
    if before.shape != now.shape:
        return float("inf")
    first, second = before.astype(np.float64), now.astype(np.float64)
    return float(np.abs(first - second).max() / max(np.abs(first).max(), 1e-30))


if __name__ == "__main__":
    sys.exit(main())
