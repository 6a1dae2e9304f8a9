"""Does the path error that integrated gradients report bound their true error?

    python -m benchmarks.path_error                       # 20 faces, three networks
    python -m benchmarks.path_error --data DIR --faces 20  # of FER-2013's validation faces

The truth is the mean of the gradients at 2,000 midpoints, computed by the plain network in
float32. For each face: points used, the map's true error and the reported one (sums of absolute
differences over the true map's absolute sum), the completeness error, and how far the map of the
plain network is from that of the rearranged one, with 20 and with 50 steps.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray

from fermodels.data.readers.discover import read_faces
from fermodels.nets import checkpoint
from fermodels.nets.fernet import FERNet, to_pixels
from fermodels.xai.attribution import path_integrals
from fermodels.xai.attribution.explain import Explanation, explain
from fermodels.xai.attribution.registry import METHODS

MIDPOINTS = 2000
METHOD = "integrated-gradients"
Map = NDArray[np.float32]


def midpoint_map(net: FERNet, face: NDArray[np.uint8], target: int, points: int = MIDPOINTS) -> Map:
    """Return the map at many midpoints, ``(48, 48)``, from the mean face, by plain torch."""
    x = to_pixels(face).float() / 255
    delta, total = x - net.mean_face, torch.zeros(48, 48, dtype=torch.float64)
    for alphas in ((torch.arange(points, dtype=torch.float64) + 0.5) / points).split(50):
        at = (net.mean_face + alphas.float().view(-1, 1, 1, 1) * delta).requires_grad_()
        (gradient,) = torch.autograd.grad(net(at)[:, target].sum(), at)
        total += gradient.double().sum((0, 1))
    attribution: Map = (delta[0, 0] * total / points).float().numpy()
    return attribution


@contextmanager
def plain_network() -> Iterator[None]:
    """Let integrated gradients use the network as it is, not a rearranged twin."""
    with mock.patch.dict(METHODS, {METHOD: replace(METHODS[METHOD], prepare=None)}):
        yield


def disagreement(net: FERNet, face: NDArray[np.uint8], steps: int) -> float:
    """Return how far the rearranged twin's map is from the plain network's, relative."""
    quick = explain(net, face, METHOD, steps=steps).attribution[0]
    with plain_network():
        plain = explain(net, face, METHOD, steps=steps).attribution[0]
    return relative(quick, plain)


def relative(attribution: Map, truth: Map) -> float:
    """Return the sum of absolute differences over the truth's absolute sum."""
    return float(np.abs(attribution - truth).sum() / np.abs(truth).sum())


def counted(net: FERNet, face: NDArray[np.uint8]) -> tuple[Explanation, int]:
    """Return a face's default explanation and at how many points it took the gradient."""
    counts: list[int] = []
    evaluate = path_integrals._evaluate

    def counting(*arguments: object) -> object:
        counts.append(sum(map(len, arguments[1])))  # type: ignore[arg-type, call-overload]
        return evaluate(*arguments)  # type: ignore[arg-type]

    with mock.patch.object(path_integrals, "_evaluate", counting):
        return explain(net, face, METHOD), sum(counts)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["deep", "hybrid-deep", "shallow"])
    parser.add_argument("--data", default="samples", help="faces: anything `read_faces` reads")
    parser.add_argument("--faces", type=int, default=20)
    options = parser.parse_args()
    faces = read_faces(options.data).split("validation").images
    chosen = np.random.default_rng(0).choice(len(faces), options.faces, replace=False)
    print("network      face  points  true %  reported %  sum %  plain, 20 %  plain, 50 %")
    for name in options.models:
        net, bounded = checkpoint.load(name), 0
        for row in chosen:
            explanation, points = counted(net, faces[row])
            truth = midpoint_map(net, faces[row], int(explanation.target_class[0]))
            true = relative(explanation.attribution[0], truth)
            assert explanation.path_error is not None and explanation.completeness_error is not None
            bounded += true <= explanation.path_error[0]
            apart = [disagreement(net, faces[row], steps) for steps in (20, 50)]
            print(
                f"{name:<12} {row:>4}  {points:>6}  {100 * true:>6.2f}  "
                f"{100 * explanation.path_error[0]:>10.2f}  "
                f"{100 * explanation.completeness_error[0]:>5.2f}  "
                f"{100 * apart[0]:>11.4f}  {100 * apart[1]:>11.4f}",
                flush=True,
            )
        print(f"{name}: the reported error bounds the true one on {bounded} of {len(chosen)} faces")


if __name__ == "__main__":
    main()
