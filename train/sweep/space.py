"""What the paper cross-validated, and how a sweep looks through it: space, sampler, pruners."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna import Study, Trial
from optuna.distributions import (
    BaseDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial

from fermodels.errors import ConfigError
from fermodels.nets.variants import VARIANTS
from train.config import recipe

Space = dict[str, BaseDistribution]

_WIDTH = IntDistribution(128, 1024, step=128)
SPACES: dict[str, Space] = {
    # AdamW decouples decay from the gradient: lr x decay is what counts, hence the wider range
    "shallow": {
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "weight_decay": FloatDistribution(1e-7, 1e-1, log=True),
        "hidden_1": _WIDTH,
    },
    "deep": {
        "learning_rate": FloatDistribution(1e-3, 3e-1, log=True),
        "weight_decay": FloatDistribution(1e-8, 1e-2, log=True),
        "hidden_1": _WIDTH,
        "hidden_2": _WIDTH,
    },
}
"""Family -> searched value -> its range; the paper's Tables 1 and 2 name these values."""

PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "median": lambda: MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    "halving": lambda: SuccessiveHalvingPruner(min_resource=2, reduction_factor=2),
    "none": NopPruner,
}
"""Name -> rule that ends a trial early, asked after every epoch; none does before the second."""

PAPER_SOURCE = "Alizadeh & Fazel, arXiv 1704.06756, Tables 1 and 2"


def space_of(variant: str) -> Space:
    """Return the search space of a variant's family."""
    return SPACES[VARIANTS[variant].family]


def paper_values(variant: str) -> dict[str, Any]:
    """Return what the paper chose for a variant, by searched value.

    Read from the paper recipe and the variant's layers, which quote Tables 1 and 2.
    """
    config, layers = recipe("paper", variant), VARIANTS[variant].config.fc
    widths = {f"hidden_{number}": spec.units for number, spec in enumerate(layers, start=1)}
    return {
        "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay,
        **widths,
    }


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """Return the trial's value for everything in the space."""
    return {name: _suggest_one(trial, name, spread) for name, spread in space.items()}


def _suggest_one(trial: Trial, name: str, spread: BaseDistribution) -> float | int:
    if isinstance(spread, FloatDistribution):
        return trial.suggest_float(name, spread.low, spread.high, log=spread.log)
    assert isinstance(spread, IntDistribution)
    return trial.suggest_int(name, spread.low, spread.high, step=spread.step, log=spread.log)


def as_flags(values: dict[str, Any]) -> dict[str, Any]:
    """Return searched values as `train.run` flags: widths become ``hidden``."""
    widths = [values[name] for name in sorted(values) if name.startswith("hidden_")]
    others = {name: value for name, value in values.items() if not name.startswith("hidden_")}
    return {**others, "hidden": widths}


def described(space: Space) -> dict[str, Any]:
    """Return the space as JSON types: low, high, log and step of every range."""
    description = {}
    for name, spread in space.items():
        read = json.loads(distribution_to_json(spread))
        description[name] = {"kind": read["name"], **read["attributes"]}
    return description


class SeededTPE(BaseSampler):
    """Optuna's TPE, its draws a function of (seed, trial number) and the trials seen so far.

    Whichever process runs a trial, and after however many restarts, it draws the same random
    numbers; two processes with one plain seed would try the same values twice.
    Source: Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization".
    """

    def __init__(self, seed: int, startup: int) -> None:
        self.seed, self.startup = seed, startup
        self._number, self._tpe = -1, TPESampler()

    def _of(self, trial: FrozenTrial) -> TPESampler:
        if trial.number != self._number:
            drawn = np.random.SeedSequence((self.seed, trial.number)).generate_state(1)
            self._number = trial.number
            self._tpe = TPESampler(seed=int(drawn[0]), n_startup_trials=self.startup)
        return self._tpe

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        """Return what is drawn jointly."""
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Space
    ) -> dict[str, Any]:
        """Draw the joint values."""
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw one value on its own."""
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)


# --- What a sweep may spend and how it judges: every field is a flag of `train.sweep`


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
