"""Try every null map on the bundled networks, with their test faces; none may be trusted.

python -m tests.null.badges --data fer2013/ --models deep shallow
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fermodels.data.readers.discover import read_faces
from fermodels.nets import checkpoint
from fermodels.nets.catalog import available
from fermodels.xai.trust.judge import PAIRS, Trial, predicted, what_was_learned
from fermodels.xai.trust.maps import Explainer
from fermodels.xai.trust.randomisation import random_copies
from fermodels.xai.trust.scorecard import sample
from fermodels.xai.trust.verdict import ReadingScore, TrustEvidence, Verdict, verdict_of
from tests.null.maps import NULLS, honest


def verdicts(
    net: nn.Module,
    faces: NDArray[np.uint8],
    method: Explainer,
    learned: ReadingScore,
    names: Sequence[str] = tuple(NULLS),
) -> Iterator[tuple[str, Verdict]]:
    """Judge the null maps as `fermodels.judge` does, measuring what they share once."""
    trial = Trial(net, faces, predicted(net, faces), seed=0)
    controls = trial.controls()
    copies = tuple(random_copies(net, range(min(PAIRS, len(faces) // 2))))
    for name in names:
        found = trial.measure(NULLS[name](net, method), "", copies)[0]
        yield name, verdict_of(TrustEvidence(found.values, controls | found.rivals, learned))


def main(words: Sequence[str] | None = None) -> int:
    """Print a line for each null map and network; exit status 1 if any is trusted."""
    parser = argparse.ArgumentParser("tests.null.badges", description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="samples", help="FER-2013 in any form")
    parser.add_argument("--models", nargs="+", default=list(available()), metavar="NAME")
    parser.add_argument("--maps", nargs="+", default=list(NULLS), choices=NULLS, metavar="NAME")
    parser.add_argument("--faces", type=int, default=48)
    parser.add_argument("--steps", type=int, default=20, help="of integrated gradients")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for all cores")
    args = parser.parse_args(words)
    if args.threads:
        torch.set_num_threads(args.threads)
    faces, trusted = sample(read_faces(args.data), args.faces, 0).images, 0
    for model in args.models:
        net = checkpoint.load(model)
        learned = what_was_learned(net)
        for name, found in verdicts(net, faces, honest(args.steps), learned, args.maps):
            trusted += found.trusted is True
            print(f"{model:15} {name:22} {found.trusted!s:6} {found.words:20} {found.reasons[0]}",
                  flush=True)  # fmt: skip
    print(f"{trusted} trusted")
    return int(trusted > 0)


if __name__ == "__main__":
    sys.exit(main())
