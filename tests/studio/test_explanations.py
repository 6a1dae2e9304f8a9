from pathlib import Path

import numpy as np
import pytest

import fermodels
from fermodels import explain
from fermodels.errors import ConfigError
from fermodels.xai.attribution import explain as attribution_module
from fermodels.xai.fast_forward import convolution
from studio import explanations, networks, public
from studio.explanations import MapRequest, MethodMap
from tests.studio.toy_studio import write_studio

FACE = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)


@pytest.fixture(autouse=True)
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, _ = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(shelf))


def test_a_cached_map_is_what_the_library_says() -> None:
    asked = MapRequest("integrated-gradients", 3, "mean-face")
    found = explanations.attribution("shallow", FACE, asked)
    plain = explain(fermodels.load("shallow"), FACE, "integrated-gradients", target_class=3)
    assert np.allclose(found.attribution, plain.attribution[0], atol=1e-6)
    assert plain.completeness_error is not None
    assert found.completeness_error == pytest.approx(float(plain.completeness_error[0]), abs=1e-4)
    assert plain.path_error is not None
    assert found.path_error == pytest.approx(float(plain.path_error[0]), rel=1e-3)


def test_the_same_question_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = MapRequest("saliency", 1, "mean-face")
    first = explanations.attribution("shallow", FACE, asked)

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("computed twice")

    monkeypatch.setattr(attribution_module, "explain", refuse)
    again = explanations.attribution("shallow", FACE.copy(), asked)
    assert (first.attribution == again.attribution).all()
    with pytest.raises(AssertionError, match="computed twice"):
        explanations.attribution("shallow", FACE, MapRequest("saliency", 2, "mean-face"))
    with pytest.raises(AssertionError, match="computed twice"):
        explanations.attribution("shallow", 255 - FACE, asked)


def test_a_hybrids_parts_add_up_and_their_shares_to_one() -> None:
    found = explanations.attribution(
        "hybrid-shallow", FACE, MapRequest("integrated-gradients", 0, "mean-face")
    )
    assert set(found.parts) == {"conv", "hog"}
    assert np.allclose(found.parts["conv"] + found.parts["hog"], found.attribution, atol=1e-5)
    assert found.part_share("conv") + found.part_share("hog") == pytest.approx(1)


def test_a_blank_map_has_no_share() -> None:
    zero = np.zeros((48, 48), np.float32)
    found = MethodMap("x", "X", True, zero, {"conv": zero, "hog": zero}, None, ())
    assert found.part_share("conv") == 0.0


def test_what_is_made_of_a_networks_weights_stays_with_it_for_the_next_face() -> None:
    asked = MapRequest("saliency", 1, "mean-face")
    explanations.attribution("shallow", FACE, asked)
    entries = dict(convolution._CACHE[networks.shared("shallow")])
    explanations.attribution("shallow", 255 - FACE, asked)
    assert entries and convolution._CACHE[networks.shared("shallow")] == entries
    convolution.forget()
    assert not convolution._CACHE[networks.shared("shallow")]
    explanations.attribution("shallow", FACE // 2, asked)
    assert convolution._CACHE[networks.shared("shallow")].keys() == entries.keys()


def test_a_public_studio_asks_a_network_no_more_than_a_minutes_worth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each option in its range, but not their product: a link had kept a network for hours."""
    settings = (("refine", 20.0), ("smooth", 1000), ("steps", 1000), ("tolerance", 0.0))
    monkeypatch.setenv(public.VARIABLE, "1")
    with pytest.raises(ConfigError, match=r"21,000,000 passes .* at most 1,500"):
        explanations.attribution(
            "shallow", FACE, MapRequest("integrated-gradients", 0, "mean-face", settings=settings)
        )
    for name, method in explanations.methods().items():  # as they stand, all may be asked
        assert method.passes(method.settings({})) <= explanations.MOST_PASSES, name
