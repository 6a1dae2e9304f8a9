"""Explaining one face: our calls against Captum's, by turns in one process.

    python -m benchmarks.explain                  # the deep net, one face, two threads

The plain call is what Captum's documentation shows, in float32, on the same model, face, class
and mean-face baseline, with every default left as it is: IntegratedGradients(n_steps=50) puts all
points through at once, Occlusion asks about one square at a time (perturbations_per_eval=1), and
the weights require gradients, as after loading. Ours are whole calls of `fermodels.explain`,
which also copy the module tree, check their arguments and report their errors. "IG as near" is our
default, which adds points until the map is near enough, against the smallest of 50, 100,
200, ... steps with which Captum's map is as near to the one of 2,000 midpoints as ours.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import captum.attr as captum
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.path_error import midpoint_map, relative
from fermodels.data.samples import sample_faces
from fermodels.nets import catalog, checkpoint
from fermodels.nets.fernet import FERNet, to_pixels
from fermodels.nets.variants import VARIANTS
from fermodels.xai.attribution.explain import explain
from fermodels.xai.dream.dream import dream
from fermodels.xai.model_access import target_layer

OCTAVES = (20, 24, 29, 34, 41, 48)
"""Sides of the six octaves of the timed dream."""
SECONDS = 4.0
"""Each pair goes on for as long, so that short calls are repeated often."""
Work = Callable[[], Any]


def contenders(net: FERNet, face: NDArray[np.uint8]) -> dict[str, tuple[Work, Work]]:
    """Return what is compared: name -> (our call, the plain call)."""
    target = int(net.predict(face).argmax())
    x = to_pixels(face).float() / 255
    layer = target_layer(net)

    def ours(method: str, **options: Any) -> Work:
        return lambda: explain(net, face, method, target, **options)

    def grad_cam() -> torch.Tensor:
        cam = captum.LayerGradCam(net, net.get_submodule(layer)).attribute(x, target=target)
        enlarged: torch.Tensor = captum.LayerAttribution.interpolate(cam, (48, 48), "bilinear")
        return enlarged

    def path(steps: int) -> torch.Tensor:
        attribution: torch.Tensor = captum.IntegratedGradients(net).attribute(
            x, net.mean_face, target=target, n_steps=steps
        )
        return attribution

    def occlusion() -> torch.Tensor:
        attribution: torch.Tensor = captum.Occlusion(net).attribute(
            x, (1, 8, 8), strides=(1, 4, 4), baselines=net.mean_face, target=target
        )
        return attribution

    enough = steps_as_near(net, face, target)
    return {
        "saliency": (
            ours("saliency"),
            lambda: captum.Saliency(net).attribute(x, target=target),
        ),
        "grad-cam": (ours("grad-cam"), grad_cam),
        "IG, 50 steps": (ours("integrated-gradients", steps=50, refine=0.0), lambda: path(50)),
        f"IG as near ({enough})": (ours("integrated-gradients"), lambda: path(enough)),
        "occlusion 8/4": (ours("occlusion"), occlusion),
    }


def steps_as_near(net: FERNet, face: NDArray[np.uint8], target: int) -> int:
    """Return the smallest of 50, 100, ... 1600 steps that bring Captum's map as near as ours."""
    truth = midpoint_map(net, face, target)
    ours = explain(net, face, "integrated-gradients", target).attribution[0]
    x = to_pixels(face).float() / 255
    steps = 50
    while steps < 1600:
        attribution = captum.IntegratedGradients(net).attribute(
            x, net.mean_face, target=target, n_steps=steps, internal_batch_size=64
        )
        if relative(attribution[0, 0].detach().numpy(), truth) <= relative(ours, truth):
            break
        steps *= 2
    return steps


def bench_explain(
    net: FERNet, face: NDArray[np.uint8], rounds: int
) -> dict[str, tuple[float, float]]:
    """Time each pair by turns: name -> (ours, the plain call), seconds, medians over rounds.

    Who goes first changes from round to round: both read the same weights, and the second finds
    them in the processor's cache. The first, cold round is dropped.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Captum's notice that it sets requires_grad
        return {name: by_turns(*pair, rounds) for name, pair in contenders(net, face).items()}


def by_turns(ours: Work, plain: Work, rounds: int) -> tuple[float, float]:
    """Return each one's median seconds over an even number of rounds, after one that is dropped."""
    took: dict[Work, list[float]] = {plain: [], ours: []}
    for work in took:
        work()
    begun = time.perf_counter()
    while len(took[ours]) < rounds or time.perf_counter() - begun < SECONDS:
        for work in (ours, plain, plain, ours):
            took[work].append(seconds(work))
    return median(took[ours]), median(took[plain])


def seconds(work: Work) -> float:
    """Return how long the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def network(name: str) -> tuple[FERNet, str]:
    """Return the bundled checkpoint, or the same layers with random weights, and which it is."""
    if name in catalog.available():
        return checkpoint.load(name), "trained"
    torch.manual_seed(0)
    return FERNet(VARIANTS[name].config).eval(), "random weights: no checkpoint of that name"


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", choices=list(VARIANTS), default="deep")
    parser.add_argument("--rounds", type=int, default=20, help="fewest rounds of timing")
    parser.add_argument("--threads", type=int, default=2, help="torch threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    net, which = network(options.model)
    face = sample_faces().split("test").images[0]
    print(f"Explaining one face, {options.model} ({which}), float32, {options.threads} threads")
    for name, (ours, plain) in bench_explain(net, face, options.rounds).items():
        print(
            f"  {name:<17} ours {1000 * ours:>7,.0f} ms   Captum {1000 * plain:>7,.0f} ms   "
            f"Captum/ours {plain / ours:.2f}"
        )
    start = time.perf_counter()
    result = dream(net, face, octaves=OCTAVES, target="happy")
    took, steps = time.perf_counter() - start, len(result.objective)
    print(f"  DeepDream, {len(OCTAVES)} octaves, {steps} steps: {took:.1f} s")


if __name__ == "__main__":
    main()
