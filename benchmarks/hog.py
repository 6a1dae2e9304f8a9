"""HOG in torch against a Python loop over scikit-image: same numbers, how much sooner.

    python -m benchmarks.hog            # faces from FER2013_DIR, else random textures

Prints the largest difference to scikit-image, whether gradcheck passes, and images per second of
both binnings and of the loop. The three are timed by turns, so a busy machine slows all of them.
"""

import argparse
import os
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import skimage.feature
import torch
from numpy.typing import NDArray

from fermodels.data.readers.discover import read_faces
from fermodels.nets.hog import HOG, HogConfig, hog

BATCH = 128
CALLS = 10
LOOP_IMAGES = 64


def bench_hog(faces: NDArray[np.uint8], repeats: int = 9) -> dict[str, float]:
    """Compare our HOG with scikit-image's on the same faces, in one process.

    Args:
        faces: uint8 (N, 48, 48); parity uses all of them, timing the first 128 (repeated if fewer).
        repeats: rounds of timing; every figure is the median over rounds.

    Returns:
        `faces`, `batch`, `threads`; `parity` (largest absolute difference of hard bins);
        `gradcheck` (1.0 if soft bins pass); `soft`, `hard` and `skimage` in images/s; and
        `soft_ratio`, `hard_ratio` to the loop, medians of each round's own ratio.
    """
    pixels = (np.resize(faces, (max(BATCH, len(faces)), 48, 48)) / 255).astype(np.float32)
    rounds = _timed_rounds(pixels[:BATCH], repeats)
    rates = {name: median(r[name] for r in rounds) for name in rounds[0]}
    ratios = {
        f"{name}_ratio": median(r[name] / r["skimage"] for r in rounds) for name in ("soft", "hard")
    }
    return {
        "faces": len(faces),
        "batch": BATCH,
        "threads": torch.get_num_threads(),
        "parity": _largest_difference(pixels[: len(faces)]),
        "gradcheck": float(_gradients_agree()),
        **rates,
        **ratios,
    }


def _timed_rounds(pixels: NDArray[np.float32], repeats: int) -> list[dict[str, float]]:
    """Images per second of each contender, round by round; the first, cold round is dropped."""
    _settle_allocator()
    batch = torch.from_numpy(pixels)
    modules: dict[str, HOG] = {"soft": HOG(), "hard": HOG(HogConfig(binning="hard"))}
    rounds = []
    for _ in range(repeats + 1):
        rates = {
            name: BATCH * CALLS / _seconds(lambda m=module: [m(batch) for _ in range(CALLS)])  # type: ignore[misc]
            for name, module in modules.items()
        }
        rates["skimage"] = LOOP_IMAGES / _seconds(lambda: _skimage_loop(pixels[:LOOP_IMAGES]))
        rounds.append(rates)
    return rounds[1:]


def _settle_allocator() -> None:
    """Let glibc keep freed memory, as it does in any process that has run a network.

    In a fresh process it hands every few freed megabytes back to the system; fetching them again
    then takes longer than HOG itself. Freeing one large block lifts its threshold for good.
    """
    torch.ones(6_000_000)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _skimage_loop(images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return [
        skimage.feature.hog(
            image,
            orientations=9,
            pixels_per_cell=(8, 8),
            cells_per_block=(2, 2),
            block_norm="L2-Hys",
            feature_vector=True,
        )
        for image in images
    ]


def _largest_difference(pixels: NDArray[np.float32]) -> float:
    ours = hog(pixels, HogConfig(binning="hard")).numpy()
    return float(np.abs(ours - np.stack(_skimage_loop(pixels))).max())


def _gradients_agree() -> bool:
    images = torch.rand(2, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    module = HOG(HogConfig(cell=4, image_size=16))
    return torch.autograd.gradcheck(module, images.requires_grad_(), raise_exception=False)


def random_textures(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth random pictures, uint8 (count, 48, 48): blurred noise stretched to full contrast."""
    noise = torch.rand(count, 1, 12, 12, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(noise, (48, 48), mode="bicubic").clamp(0, 1)
    return (smooth[:, 0] * 255).round().to(torch.uint8).numpy()


def bench_faces(count: int) -> tuple[str, NDArray[np.uint8]]:
    """Real validation faces if FER2013_DIR names a folder of them, otherwise random textures."""
    folder = os.environ.get("FER2013_DIR")
    if folder is None:
        return "random textures (FER2013_DIR is not set)", random_textures(count)
    return "FER-2013 validation faces", read_faces(folder).split("validation").images[:count]


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=1000, help="how many faces to compare")
    parser.add_argument("--repeats", type=int, default=9, help="rounds of timing")
    parser.add_argument("--threads", type=int, default=2, help="torch threads (skimage uses one)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    source, faces = bench_faces(options.faces)
    measured = bench_hog(faces, options.repeats)
    print(f"HOG, {len(faces)} {source}, batch {BATCH}, {options.threads} threads, CPU")
    print(f"  largest difference to scikit-image (hard bins)  {measured['parity']:.1e}")
    print(f"  gradcheck (soft bins, float64)                  {bool(measured['gradcheck'])}")
    print(f"  scikit-image in a loop  {measured['skimage']:>10,.0f} images/s")
    for binning in ("hard", "soft"):
        rate, ratio = measured[binning], measured[f"{binning}_ratio"]
        print(f"  ours, {binning} bins         {rate:>10,.0f} images/s  {ratio:.0f}x the loop")


if __name__ == "__main__":
    main()
