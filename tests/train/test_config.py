from dataclasses import fields

import pytest

from fermodels.cli import field_docs
from fermodels.errors import ConfigError
from fermodels.nets.variants import VARIANTS
from train.config import RECIPES, TrainConfig, recipe


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_recipe_serves_every_variant(name: str, variant: str) -> None:
    config = recipe(name, variant)
    assert TrainConfig.from_dict(config.to_dict()) == config


def test_paper_recipe_is_tables_1_and_2() -> None:
    shallow, deep = recipe("paper", "hybrid-shallow"), recipe("paper", "deep")
    assert (shallow.learning_rate, shallow.weight_decay, shallow.epochs) == (0.001, 1e-6, 30)
    assert (deep.learning_rate, deep.weight_decay, deep.epochs) == (0.01, 1e-7, 35)
    assert shallow.batch_size == deep.batch_size == 128
    assert shallow.flip and not shallow.rotate


def test_every_setting_explains_itself() -> None:
    docs = field_docs(TrainConfig)
    assert all(docs[field.name] for field in fields(TrainConfig))


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("learning_rate", -1), ("optimizer", "adagrad"), ("conv_dropout", 1.5)],
)
def test_settings_out_of_range_are_named(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{name} is {value!r}"):
        TrainConfig(**{name: value})  # type: ignore[arg-type]


def test_unknown_recipe_and_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="recipe is 'best'"):
        recipe("best", "deep")
    with pytest.raises(ConfigError, match="momentums"):
        TrainConfig.from_dict({"momentums": 1})
