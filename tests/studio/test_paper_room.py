"""The Paper room shows what the ledger holds, and nothing else."""

from pathlib import Path

import pytest

from fermodels.nets.files import write_json
from tests.studio.toy_studio import html_of, open_room, write_studio

ORIGIN = {
    "created": "2026-01-01T00:00:00+00:00", "seed": 0, "data_name": "toy", "data_hash": "00",
    "git_revision": "none", "versions": {"numpy": "2"},
}  # fmt: skip


def claim(number: int, verdict: str, **more: object) -> dict[str, object]:
    return {
        "number": number, "sentence": f"Sentence {number} & more", "where": "text",
        "reported": "54%", "statistic": "Accuracy", "rule": "The interval holds 54%",
        "verdict": verdict, "why": "Because.", "what": None, "value": None, "n": None,
        "interval": None, "p_value": None, "measures": [], "sources": [],
    } | more  # fmt: skip


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shelf, folder = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(shelf))
    monkeypatch.setenv("FER_RESULTS", str(tmp_path / "results"))
    return folder


@pytest.fixture
def ledger(tmp_path: Path) -> None:
    measure = {
        "what": "test accuracy", "value": 0.587, "n": 3589, "interval": [0.571, 0.603],
        "p_value": 0.03, "holds": True, "says": "",
    }  # fmt: skip
    rows = [
        claim(1, "reproduced", measures=[measure], sources=["checkpoints/shallow/metrics.json"]),
        claim(2, "not reproduced"),
        claim(3, "not testable yet"),
    ]
    write_json(tmp_path / "results" / "claims.json", {"claims": rows, "provenance": ORIGIN})


def test_without_a_ledger_the_room_says_how_to_make_one(faces: Path) -> None:
    app = open_room("paper", faces)
    assert "python -m train.claims" in app.info[0].value


def test_every_claim_is_shown_with_verdict_numbers_and_source(faces: Path, ledger: None) -> None:
    page = html_of(open_room("paper", faces))
    assert page.count('class="claim"') == 3
    assert "Sentence 1 &amp; more" in page and "✗ not reproduced" in page
    assert "0.571 to 0.603, p = 0.03" in page and "3,589" in page
    assert "checkpoints/shallow/metrics.json" in page


def test_the_tally_counts_verdicts(faces: Path, ledger: None) -> None:
    app = open_room("paper", faces)
    assert [int(metric.value) for metric in app.metric] == [1, 0, 1, 1]


def test_the_address_holds_the_verdicts_asked_for(faces: Path, ledger: None) -> None:
    page = html_of(open_room("paper", faces, verdict=["not reproduced"]))
    assert page.count('class="claim"') == 1 and "Sentence 2" in page
