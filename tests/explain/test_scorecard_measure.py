"""What a scorecard asks of each method while random networks are explained."""

from __future__ import annotations

import pytest

from fermodels.explain.registry import METHODS
from fermodels.explain.scorecard_measure import lighter
from fermodels.explain.trust_forward import passes_per_face
from fermodels.explain.trust_maps import explainer


@pytest.mark.parametrize("name", METHODS)
def test_light_options_suit_every_method_and_cost_no_more(hybrid, name) -> None:
    settings = METHODS[name].settings({})
    light = lighter(settings)
    assert light.keys() == settings.keys()
    whole = passes_per_face(hybrid, explainer(name, settings))
    assert passes_per_face(hybrid, explainer(name, light)) <= whole
