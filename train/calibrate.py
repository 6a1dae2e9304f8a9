"""Give a checkpoint its temperature: ``python -m train.calibrate checkpoints/shallow``.

Everything that follows from its stored predictions is written afresh into ``metrics.json``:
each split's figures, and the temperature fitted on validation. The network is not touched.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fermodels.errors import exit_status
from fermodels.nets import shelf
from fermodels.nets.files import check_output, not_a_result, write_json
from train.export import figures_of


def calibrate(folder: Path) -> dict[str, Any]:
    """Refresh a checkpoint's figures and return its calibration.

    Raises:
        CheckpointError: its metrics or predictions are missing or damaged.
        ConfigError: its metrics are none that we wrote, or a link.
    """
    check_output(folder / shelf.METRICS, not_a_result)
    metrics = shelf.read_metrics(folder) | figures_of(shelf.read_predictions(folder))
    write_json(folder / shelf.METRICS, metrics)
    found: dict[str, Any] = metrics["calibration"]
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Calibrate the given checkpoints; an error of ours is one sentence and exit status 2."""
    parser = argparse.ArgumentParser("train.calibrate", description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+", help="bundled names or folders")
    names: list[str] = parser.parse_args(words).checkpoints

    def work() -> None:
        for name in names:
            found = calibrate(shelf.find(name))
            test = found["test"]
            print(
                f"{name}: temperature {found['temperature']:.3f}; test ECE "
                f"{test['ece_before']:.1%} -> {test['ece_after']:.1%}, "
                f"NLL {test['nll_before']:.3f} -> {test['nll_after']:.3f}"
            )

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
