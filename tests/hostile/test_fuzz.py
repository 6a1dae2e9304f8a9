"""A few seconds of fuzzing in every run; ``python -m tests.fuzz --minutes N`` goes on longer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz_targets import TARGETS, survives

EXAMPLES = 40


@st.composite
def altered(draw: st.DrawFn, name: str) -> bytes:
    """Draw a sound input with some bytes changed, a piece doubled or dropped, or plain noise."""
    seeds = TARGETS[name].seeds()
    data = bytearray(draw(st.sampled_from([*seeds, b""])))
    if not data:
        return draw(st.binary(max_size=400))
    end = len(data) - 1
    # Headers are where the decisions are: half of the changes go there.
    places = st.one_of(st.integers(0, end), st.integers(0, min(end, 80)))
    for place, value in draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        data[place] = value
    start, stop = sorted(draw(st.tuples(st.integers(0, end), st.integers(0, end))))
    kind = draw(st.sampled_from(["keep", "keep", "cut", "double", "drop"]))
    if kind == "cut":
        return bytes(data[:start])
    if kind == "double":
        return bytes(data[:stop] + data[start:])
    return bytes(data[:start] + data[stop:]) if kind == "drop" else bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_takes_altered_bytes_or_refuses_them_in_a_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(os.environ, "FER_CACHE", str(tmp_path))
    seen = set()

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(altered(name))
    def trial(data: bytes) -> None:
        seen.add(survives(TARGETS[name], data))

    trial()
    assert name == "names" or False in seen, "nothing was ever refused: this tests nothing"


@pytest.mark.parametrize("name", [name for name in TARGETS if name != "names"])
def test_every_seed_is_sound_so_that_alterations_reach_deep(name: str) -> None:
    assert any(survives(TARGETS[name], seed) for seed in TARGETS[name].seeds())
