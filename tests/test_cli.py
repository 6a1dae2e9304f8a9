import pytest

from train.run import build, parse


def test_flags_override_the_recipe_and_the_rest_stays() -> None:
    args = parse(
        "--variant deep --data x --epochs 3 --no-flip --learning-rate 0.5 --seed 4".split()
    )
    _, config = build(args)
    assert (config.epochs, config.flip, config.learning_rate, config.seed) == (3, False, 0.5, 4)
    assert config.weight_decay == 1e-7


def test_help_shows_the_docstrings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "Largest random rotation, in degrees." in shown
    assert "Filters of each conv layer" in shown


def test_the_same_seed_builds_the_same_net() -> None:
    words = "--variant shallow --data x --filters 4 --hidden 8".split()
    first, second = build(parse(words))[0], build(parse(words))[0]
    assert all(a.equal(b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
