"""A network whose reason is known: do the methods find it?

`train.known_answer` trained a network on faces in which a small mark decides the label
(`fermodels.explain.planted`), and

    python -m fermodels.explain.known_answer

asks every method of METHODS for that mark and writes ``results/known-answer/results.json``, which
`known_answer_record` reads.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fermodels.errors import exit_status
from fermodels.memory import keep_freed_memory


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser("fermodels.explain.known_answer", description=__doc__)
    parser.add_argument("--faces", type=int, default=100, help="held-out faces with a mark")
    parser.add_argument("--seed", type=int, default=1, help="their marks, and all noise")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for all cores")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Compute; an error of ours is one sentence and exit status 2."""
    args = parse(words)
    from fermodels.explain.known_answer_run import run  # heavy: not for --help

    return exit_status(lambda: run(args))


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
