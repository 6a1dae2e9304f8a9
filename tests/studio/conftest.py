"""Networks that answer for the bundled ones, for every test of the Classify tab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fermodels.nets import catalog, checkpoint
from tests.toys import tiny_net, tiny_scores


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two untrained networks, bundled for this module's process and the served one."""
    from tests.studio.classify_tab.photo_toys import HEAT, NAMES

    folder = tmp_path_factory.mktemp("checkpoints")
    metrics: dict[str, Any] = {"test": tiny_scores(0.625, 3589)}
    heats = {"shallow": {"calibration": {"temperature": HEAT}}, "deep": {}}
    none = pd.DataFrame({"step": [1]})
    for seed, name in enumerate(NAMES):
        checkpoint.save(
            folder / name, tiny_net(seed), {"variant": name, "recipe": "toy"},
            metrics | heats[name],
            catalog.History(none, none), none, "card",
        )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_CHECKPOINTS", str(folder))
        yield folder
