"""Classify many pictures and videos: ``python -m fermodels.classify PATH... --out faces.csv``.

A file that cannot be read gets a row that says why, and the others go on; the exit status is then
1. ``--resume`` skips what the results hold already. For tables of pictures, and for more than one
machine: `fermodels.classify.shards`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from fermodels.classify import sources as classify_sources
from fermodels.classify import table
from fermodels.classify.journal import Journal
from fermodels.classify.pictures import Settings, rows_of
from fermodels.classify.sources import Source
from fermodels.classify.table import Row
from fermodels.cli import add_flags, given
from fermodels.errors import ConfigError, exit_status


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(
        "fermodels.classify", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="picture, video or folder")
    parser.add_argument(
        "--out",
        type=Path,
        help=f"results, {', '.join(table.FORMS)}; CSV on stdout if none",
    )
    earlier = parser.add_mutually_exclusive_group()
    earlier.add_argument("--resume", action="store_true", help="skip files that OUT holds already")
    earlier.add_argument(
        "--overwrite", action="store_true", help="begin anew where OUT holds earlier answers"
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="threads that look for faces"
    )
    add_flags(parser, Settings, "what to ask")
    return parser.parse_args(words)


def run(args: argparse.Namespace) -> list[Row]:
    """Do what the command line asks and return every row of the results.

    Raises:
        ConfigError: settings that do not fit, or results that are in the way.
        DataError: a path that does not exist.
    """
    settings = Settings(**given(args, Settings)).resolved()
    sources = classify_sources.find(args.paths, settings.every)
    if args.out is None:
        if args.resume or args.overwrite:
            raise ConfigError(
                f"--{'resume' if args.resume else 'overwrite'} needs --out: the earlier results"
            )
        rows = [r for some in _counted(sources, settings, args.workers) for r in some]
        sys.stdout.write(table.to_csv(rows))
        return rows
    settings_json = asdict(settings) | {"models": list(settings.models)}
    with Journal(args.out, settings_json, args.resume, args.overwrite) as journal:
        left = [source for source in sources if source.name not in journal.done]
        for rows in _counted(left, settings, args.workers):
            journal.add(rows)
    return journal.all_rows()


def _counted(sources: list[Source], settings: Settings, workers: int) -> Iterator[list[Row]]:
    """Pass rows on under a progress bar, which is shown where somebody watches."""
    from tqdm import tqdm

    with tqdm(total=len(sources), unit="file", disable=None) as bar:
        for rows in rows_of(sources, settings, workers):
            bar.update(len({row["file"] for row in rows}))
            yield rows


def main(words: Sequence[str] | None = None) -> int:
    """Run; 0 when every file was read, 1 when some were not, 2 when the command is wrong."""
    args = parse(words)
    return exit_status(lambda: report(run(args)), "the same command with --resume goes on")


def report(rows: list[Row]) -> int:
    """Say how many files were read; return the exit status."""
    failed = {str(row["file"]): str(row["error"]) for row in rows if row["error"]}
    files, faces = len({row["file"] for row in rows}), sum(row["face"] is not None for row in rows)
    print(f"{files} files, {faces} answers, {len(failed)} not read", file=sys.stderr)
    for file, why in list(failed.items())[:3]:
        print(f"not read: {file}: {why}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
