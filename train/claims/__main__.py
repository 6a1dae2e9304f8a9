"""Test the paper's claims on our runs: ``python -m train.claims --data PATH``.

Writes ``results/claims.json``; see `train.claims.ledger`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fermodels.data.readers.discover import read_faces
from fermodels.errors import exit_status
from train.claims.evidence import ClaimEvidence
from train.claims.ledger import RESULT, ledger


def main(words: Sequence[str] | None = None) -> int:
    """Write the ledger; an error of ours is one sentence and exit status 2."""
    parser = argparse.ArgumentParser("train.claims", description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="FER-2013 in any form, for claims that need faces")
    parser.add_argument("--seed", type=int, default=0, help="of bootstraps, samples and dreams")
    args = parser.parse_args(words)

    def work() -> None:
        RESULT.check_free()
        faces = read_faces(args.data) if args.data else None
        RESULT.write(ledger(ClaimEvidence(faces, args.seed)))
        print(f"written: {RESULT.path}")

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
