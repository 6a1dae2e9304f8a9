import pytest

from fermodels.errors import ConfigError
from fermodels.nets.config import ConvSpec, FCSpec, NetConfig
from fermodels.nets.variants import VARIANTS


@pytest.mark.parametrize("name", VARIANTS)
def test_config_survives_json(name: str) -> None:
    config = VARIANTS[name].config
    assert NetConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("spec", "changes"),
    [
        (ConvSpec, {"filters": 0}),
        (ConvSpec, {"filters": 10**9}),
        (ConvSpec, {"filters": True}),
        (ConvSpec, {"kernel": 4}),
        (ConvSpec, {"stride": 0}),
        (ConvSpec, {"pool": 1}),
        (ConvSpec, {"dropout": 1.0}),
        (FCSpec, {"units": -3}),
        (FCSpec, {"dropout": float("nan")}),
    ],
)
def test_impossible_layers_are_refused_with_the_value_seen(
    spec: type[ConvSpec] | type[FCSpec], changes: dict[str, float]
) -> None:
    with pytest.raises(ConfigError, match=str(next(iter(changes.values())))):
        spec(**changes)  # type: ignore[arg-type]


def test_a_net_that_pools_a_face_away_is_refused() -> None:
    with pytest.raises(ConfigError, match="map sides"):
        NetConfig(tuple(ConvSpec(8) for _ in range(6)), (FCSpec(8),))


def test_unknown_and_missing_keys_are_refused() -> None:
    raw = VARIANTS["shallow"].config.to_dict()
    with pytest.raises(ConfigError, match="unknown keys \\['extra'\\]"):
        NetConfig.from_dict({**raw, "extra": 1})
    del raw["fc"]
    with pytest.raises(ConfigError, match="missing keys \\['fc'\\]"):
        NetConfig.from_dict(raw)
