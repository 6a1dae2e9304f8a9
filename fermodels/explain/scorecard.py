"""Which methods can be trusted on this model? Compute its scorecard.

    python -m fermodels.explain.scorecard --model shallow --data fer2013/

writes ``results/scorecard-NAME.json`` and goes on where it stopped; `scorecard_record` reads it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fermodels.errors import exit_status
from fermodels.memory import keep_freed_memory


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(
        "fermodels.explain.scorecard", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--model", required=True, help="a bundled checkpoint's name, or a folder")
    parser.add_argument(
        "--data", default="samples", help="FER-2013 in any form; the sample faces by default"
    )
    parser.add_argument("--faces", type=int, default=48, help="test faces; slow methods get fewer")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="all by default")
    parser.add_argument("--seed", type=int, default=0, help="which faces, and all noise")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for all cores")
    parser.add_argument(
        "--fresh", action="store_true", help="measure again what the file already holds"
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Compute; an error of ours is one sentence and exit status 2."""
    args = parse(words)
    from fermodels.explain.scorecard_run import run  # heavy: not for --help

    return exit_status(lambda: run(args))


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
