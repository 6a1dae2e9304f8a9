"""Give a checkpoint its temperature: ``python -m train.calibrate checkpoints/shallow``.

Everything that follows from its stored predictions is written afresh into ``metrics.json`` and the
card: each split's figures, the temperature fitted on validation, and whether it helps there; and
accuracy without copies, if `train.labels` counted it. The network is not touched.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fermodels import files
from fermodels.errors import ConfigError, exit_status
from fermodels.evaluation.calibration import FITTED_ON, leaning
from fermodels.files import Objection, check_output, not_a_result, write_atomically, write_json
from fermodels.nets import catalog
from train.export import figures_of, model_card, not_the_card


def calibrate(folder: Path) -> dict[str, Any]:
    """Refresh a checkpoint's figures, and its card if that is ours; return its calibration.

    Raises:
        CheckpointError: its metrics or predictions are missing or damaged.
        ConfigError: its metrics are none that we wrote, or a link.
    """
    check_output(folder / catalog.METRICS, not_a_result)
    old, predictions = catalog.read_metrics(folder), catalog.read_predictions(folder)
    identity = files.read_json(folder / catalog.CONFIG)
    card = folder / catalog.CARD
    metrics = old | figures_of(predictions)
    if counted := catalog.accuracy_without_copies(_name(folder), predictions):
        metrics["without_copies"] = counted
    write_json(folder / catalog.METRICS, metrics)
    if card.exists() or card.is_symlink():
        _rewrite(card, model_card(identity, metrics), not_the_card(identity, old))
    calibration: dict[str, Any] = metrics["calibration"]
    return calibration


def _rewrite(card: Path, text: str, edited: Objection) -> None:
    """Write a card anew; one that somebody edited stays, and that is said."""
    try:
        write_atomically(card, lambda path: path.write_text(text, "utf-8"), edited)
    except ConfigError as refused:
        print(f"the card stays as it is, with its earlier figures: {refused}", file=sys.stderr)


def _name(folder: Path) -> str:
    """Return what `train.labels` calls a folder of predictions."""
    filed = folder.resolve().parent == catalog.paper_runs_dir().resolve()
    return f"{catalog.paper_runs_dir().name}/{folder.name}" if filed else folder.name


def _sentence(name: str, calibration: dict[str, Any]) -> str:
    fitted, used = calibration["fitted_temperature"], calibration["temperature"] is not None
    measured = calibration[FITTED_ON]
    return (
        f"{name}: on {FITTED_ON} {leaning(measured)}; temperature {fitted:.3f} "
        f"{'used' if used else 'not used'}: "
        f"ECE {measured['ece_before']:.1%} -> {measured['ece_after']:.1%}, "
        f"NLL {measured['nll_before']:.3f} -> {measured['nll_after']:.3f}"
    )


def main(words: Sequence[str] | None = None) -> int:
    """Calibrate the given checkpoints; an error of ours is one sentence and exit status 2."""
    parser = argparse.ArgumentParser("train.calibrate", description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+", help="bundled names or folders")
    names: list[str] = parser.parse_args(words).checkpoints

    def work() -> None:
        for name in names:
            print(_sentence(name, calibrate(catalog.find(name))))

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
