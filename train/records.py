"""Keep a paper run's records without its weights: ``python -m train.records RUN/checkpoint``.

When a stronger network ships under a variant's name, the paper's claims are still tested on
the run that followed the paper: its config, metrics, history and predictions are filed under
``results/paper-runs/VARIANT``, where `fermodels.nets.catalog.paper_run` finds them first.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from fermodels import files
from fermodels.data.emotions import PROBABILITY_COLUMNS
from fermodels.errors import CheckpointError, exit_status
from fermodels.files import (
    Objection,
    check_output,
    not_a_result,
    not_a_table_with,
    write_atomically,
)
from fermodels.nets import catalog
from fermodels.nets.checkpoint import not_of_format
from fermodels.nets.variants import VARIANTS

OBJECTIONS: dict[str, Objection] = {
    catalog.CONFIG: not_of_format,
    catalog.METRICS: not_a_result,
    catalog.HISTORY: not_a_table_with("kind"),
    catalog.PREDICTIONS: not_a_table_with("sample_id", *PROBABILITY_COLUMNS),
}
"""Record -> who objects to replacing an earlier one."""


def file_records(checkpoint: Path) -> Path:
    """Copy a checkpoint's records to where paper runs are kept, and return that folder.

    Raises:
        CheckpointError: not of the paper's recipe, no variant of ours, or a record is missing.
        ConfigError: something else is where a record should go.
    """
    config = files.read_json(checkpoint / catalog.CONFIG)
    recipe, variant = config.get("recipe"), config.get("variant")
    if recipe != "paper" or variant not in VARIANTS:
        raise CheckpointError(
            f"{checkpoint} is variant {variant!r} by recipe {recipe!r}: expected a variant "
            "trained by recipe 'paper'; train it with python -m train.run --recipe paper"
        )
    missing = [name for name in catalog.RECORDS if not (checkpoint / name).is_file()]
    if missing:
        raise CheckpointError(f"{checkpoint} lacks {', '.join(missing)}: export the run again")
    place = catalog.paper_runs_dir() / str(variant)
    for name, objection in OBJECTIONS.items():
        check_output(place / name, objection)
    # the config goes last: a folder counts as a run once it is there
    for name in sorted(catalog.RECORDS, key=lambda record: record == catalog.CONFIG):
        write_atomically(
            place / name, partial(shutil.copyfile, checkpoint / name), OBJECTIONS[name]
        )
    return place


def main(words: Sequence[str] | None = None) -> int:
    """File the given runs; an error of ours is one sentence and exit status 2."""
    parser = argparse.ArgumentParser("train.records", description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+", type=Path, help="finished runs' checkpoints")
    folders: list[Path] = parser.parse_args(words).checkpoints

    def work() -> None:
        for folder in folders:
            print(f"{folder}: filed in {file_records(folder)}")

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
