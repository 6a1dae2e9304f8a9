"""What a sweep may spend and how it judges: every field is a flag of `train.sweep`."""

from __future__ import annotations

from dataclasses import dataclass

from fermodels.errors import ConfigError
from train.sweep_space import PRUNERS


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep may spend, and how trials are judged."""

    trials: int = 20
    """Trials to finish, complete or pruned, over all processes and sittings."""
    hours: float = 0.0
    """Wall time of this sitting; the trial under way is set aside for the next. 0 for no limit."""
    subset: int = 0
    """Training faces to use, every class keeping its share; 0 for all."""
    folds: int = 0
    """Folds of the training faces to judge on; 0 for the validation split."""
    pruner: str = "median"
    """Rule that ends a poor trial early: median, halving or none."""
    startup: int = 6
    """Trials drawn at random before the sampler learns from them."""
    heartbeat: int = 20
    """Seconds between a trial's signs of life; silent for three, it is begun again."""
    storage: str = ""
    """URL that processes share; an SQLite file in the sweep's folder if not given."""

    def __post_init__(self) -> None:
        if self.pruner not in PRUNERS:
            raise ConfigError(f"pruner is {self.pruner!r}: expected one of {', '.join(PRUNERS)}")
        for name, low in (("trials", 1), ("hours", 0), ("subset", 0), ("folds", 0), ("startup", 1)):
            if getattr(self, name) < low:
                raise ConfigError(f"{name} is {getattr(self, name)}: expected at least {low}")
        if self.folds == 1 or self.heartbeat < 1:
            raise ConfigError(
                f"folds is {self.folds} and heartbeat {self.heartbeat}: expected 0 or at least 2 "
                "folds, and a heartbeat of at least 1 second"
            )
