"""Ask every method what the network with the planted cue looks at."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.data.samples import sample_faces
from fermodels.errors import ConfigError
from fermodels.explain.attribution import METHODS
from fermodels.explain.known_answer_record import RESULT, checkpoint_dir, read
from fermodels.explain.planted import MarkedFaces, grown, marked_faces, plant
from fermodels.explain.trust_maps import CONTROLS, Explainer, explainer, importance
from fermodels.explain.trust_pointing import pointing
from fermodels.explain.verdict import estimate
from fermodels.nets import checkpoint
from fermodels.nets.evaluate import wilson_interval
from fermodels.nets.files import check_output, not_a_result, write_json
from fermodels.nets.networks import FERNet
from fermodels.nets.provenance import provenance
from fermodels.nets.shelf import results_dir


def run(args: argparse.Namespace) -> None:
    """Do what the command line asks, and say which methods found the mark.

    Raises:
        ConfigError: too few or too many faces, or no result of ours in the result's place.
    """
    path = results_dir() / f"{RESULT}.json"
    check_output(path, not_a_result)
    if args.threads:
        torch.set_num_threads(args.threads)
    net = checkpoint.load(checkpoint_dir())
    marked = marked_faces("test", seed=args.seed)
    if not 2 <= args.faces <= len(marked.images):
        raise ConfigError(f"--faces is {args.faces}: expected 2 to {len(marked.images)}")
    few = marked.first(args.faces)
    content = {
        "accuracy": proof(net, marked, args.seed),
        "chance": {
            "hit": float(few.marks.mean()),
            "near": float(grown(few.marks).mean()),
            "mass": float(few.marks.mean()),
            "fooled": float(grown(few.decoys).mean()),
        },
        "controls": {name: find(net, few, name, maps) for name, maps in CONTROLS.items()},
        "methods": {name: find(net, few, name, explainer(name)) for name in METHODS},
        "provenance": provenance(args.seed, sample_faces().name, sample_faces().content_hash),
    }
    write_json(path, content)
    found = read()
    assert found is not None
    for name, finding in {**found.controls, **found.methods}.items():
        print(f"{name:22} {finding.verdict:8} near {finding.near.mean:.0%}  "
              f"hit {finding.hit.mean:.0%}  mass {finding.mass.mean:.0%}  "
              f"fooled {finding.fooled.mean:.0%}")  # fmt: skip


def find(net: FERNet, marked: MarkedFaces, name: str, maps_of: Explainer) -> dict[str, Any]:
    """Compare one method's maps of each mark's label with where the mark is; JSON types."""
    started = time.perf_counter()
    maps = importance(maps_of(net, marked.images, marked.labels), name)
    seconds = (time.perf_counter() - started) / len(maps)
    exact, near = pointing(maps, marked.marks), pointing(maps, grown(marked.marks))
    return {
        "hit": asdict(estimate(exact.hit)),
        "near": asdict(estimate(near.hit)),
        "mass": asdict(estimate(exact.mass)),
        "fooled": asdict(estimate(pointing(maps, grown(marked.decoys)).hit)),
        "seconds_per_face": seconds,
    }


def proof(net: FERNet, marked: MarkedFaces, seed: int) -> dict[str, dict[str, Any]]:
    """Show that the mark decides, and alone: accuracy with it, without it, and after a swap.

    Args:
        net: the trained network.
        marked: held-out faces.
        seed: which others the marks are swapped for; that of `marked`, so the places are the same.
    """
    plain = sample_faces().split("test").images  # whose marks `marked` has
    step = np.random.default_rng([seed, 11]).integers(1, len(EMOTIONS), len(marked.labels))
    other = (marked.labels + step) % len(EMOTIONS)
    swapped = plant(plain, other, seed)
    return {
        "marked": _accuracy(net, marked.images, marked.labels),
        "unmarked": _accuracy(
            net, plant(plain, marked.labels, seed, mark=False).images, marked.labels
        ),
        "swapped": _accuracy(net, swapped.images, other),
    }


def _accuracy(net: FERNet, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> dict[str, Any]:
    correct, n = int((net.predict(images).argmax(1) == labels).sum()), len(labels)
    return {
        "n": n, "correct": correct, "accuracy": correct / n,
        "interval": list(wilson_interval(correct, n)),
    }  # fmt: skip
