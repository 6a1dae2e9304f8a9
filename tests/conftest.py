"""Fixtures that every wing's tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
    # before anything loads torch: two workers with all cores each wait for each other's threads,
    # and explaining a face takes ten times as long
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _cache_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep read faces in this run's own folder, never in the person's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_CACHE", str(tmp_path_factory.mktemp("fer-cache")))
        yield


@pytest.fixture(scope="session")
def fer2013_dir() -> Path:
    """The folder of real FER-2013 parquet files; tests that need it are skipped without it."""
    place = os.environ.get("FER2013_DIR")
    if not place:
        pytest.skip("needs real FER-2013: set FER2013_DIR to a folder of its parquet files")
    folder = Path(place)
    if not any(folder.glob("*.parquet")):
        pytest.skip(f"FER2013_DIR={place} holds no parquet files")
    return folder


@pytest.fixture(scope="module")
def two_networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two untrained networks as the bundled ones, for a module that asks the classify command."""
    import pandas as pd  # here and below: torch is not for every test to load

    from fermodels.classify import pictures
    from fermodels.nets import catalog, checkpoint
    from tests.classify.classify_toys import NAMES
    from tests.toys import tiny_net

    folder, none = tmp_path_factory.mktemp("checkpoints"), pd.DataFrame({"step": [1]})
    for seed, name in enumerate(NAMES):
        checkpoint.save(
            folder / name, tiny_net(seed), {"variant": name, "recipe": "toy"}, {},
            catalog.History(none, none), none, "card",
        )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_CHECKPOINTS", str(folder))
        pictures.network.cache_clear()
        yield folder
    pictures.network.cache_clear()
