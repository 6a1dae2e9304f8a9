import pytest

from fermodels.errors import ConfigError
from fermodels.nets.variants import VARIANTS
from train.config import apply_overrides


def test_one_value_stands_for_all_layers() -> None:
    config = apply_overrides(VARIANTS["deep"].config, {"kernels": (5,), "conv_batch_norm": (0,)})
    assert [spec.kernel for spec in config.conv] == [5] * 4
    assert not any(spec.batch_norm for spec in config.conv)


def test_more_filters_make_more_layers() -> None:
    config = apply_overrides(
        VARIANTS["shallow"].config,
        {"filters": (8, 16, 32), "pools": (2, 0, 2), "hidden": (64, 32), "hog": True},
    )
    assert [spec.filters for spec in config.conv] == [8, 16, 32]
    assert [spec.pool for spec in config.conv] == [2, 0, 2]
    assert [spec.units for spec in config.fc] == [64, 32]
    assert config.hog


def test_a_wrong_number_of_values_is_named() -> None:
    with pytest.raises(ConfigError, match="--strides has 3 values for 2 layers"):
        apply_overrides(VARIANTS["shallow"].config, {"strides": (1, 1, 2)})
