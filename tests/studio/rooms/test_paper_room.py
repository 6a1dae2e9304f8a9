"""The Paper room shows what the ledger holds, and nothing else."""

from pathlib import Path

import pytest

from fermodels.files import write_json
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
        "split": None, "recipe": None, "seeds": None, "level": None, "cautions": [],
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
        "part": "shallow", "what": "accuracy", "value": 0.587, "n": 3589, "judged": True,
        "interval": [0.571, 0.603], "level": 0.95, "split": "test", "recipe": "paper", "seeds": 1,
        "p_value": 0.03, "holds": True, "says": "",
    }  # fmt: skip
    equal = measure | {"level": 0.9, "holds": None, "split": "validation"}
    shown = measure | {"level": 0.98, "judged": False, "recipe": "strong"}
    filters = measure | {"interval": None, "level": None, "split": "", "recipe": "paper-like"}
    rows = [
        claim(1, "reproduced", measures=[measure], sources=["checkpoints/shallow/metrics.json"]),
        claim(2, "not reproduced"),
        claim(3, "not testable yet"),
        claim(13, "inconclusive", measures=[equal, shown], cautions=["One seed; needs more: so."]),
        claim(15, "mixed", measures=[measure | {"recipe": "strong"}]),
        claim(17, "mixed", measures=[filters]),
    ]
    write_json(tmp_path / "results" / "claims.json", {"claims": rows, "provenance": ORIGIN})


def test_without_a_ledger_the_room_says_how_to_make_one(faces: Path) -> None:
    app = open_room("paper", faces)
    assert "python -m train.claims" in app.info[0].value


def test_a_ledger_of_an_earlier_version_is_not_shown(faces: Path, tmp_path: Path) -> None:
    old = claim(1, "reproduced")
    del old["cautions"]
    write_json(tmp_path / "results" / "claims.json", {"claims": [old], "provenance": ORIGIN})
    app = open_room("paper", faces)
    assert "earlier version" in app.info[0].value and not app.exception


def test_every_claim_is_shown_with_verdict_numbers_and_source(faces: Path, ledger: None) -> None:
    page = html_of(open_room("paper", faces))
    assert page.count('class="claim"') == 6
    assert "Sentence 1 &amp; more" in page and "✗ not reproduced" in page
    assert "95%: 0.571 to 0.603, p = 0.03" in page and "3,589" in page
    assert "checkpoints/shallow/metrics.json" in page


def test_the_tally_counts_verdicts(faces: Path, ledger: None) -> None:
    app = open_room("paper", faces)
    assert [int(metric.value) for metric in app.metric] == [1, 2, 1, 1, 1]


def test_intervals_are_headed_by_their_own_level_and_nothing_else(
    faces: Path, ledger: None
) -> None:
    page = html_of(open_room("paper", faces))
    for level in ("95%: ", "90%: ", "98%: "):
        assert f"{level}0.571 to 0.603" in page
    assert "95% interval" not in page
    assert "cannot be told" in page and "not judged" in page


def test_cautions_stand_in_the_claims_own_card(faces: Path, ledger: None) -> None:
    page = html_of(open_room("paper", faces))
    card = page[page.index("Sentence 13") :].split("</section>")[0]
    assert "<li>One seed; needs more: so.</li>" in card and "? inconclusive" in card


def test_the_room_says_which_claims_were_judged_on_other_recipes(faces: Path, ledger: None) -> None:
    app = open_room("paper", faces)
    (told,) = [m.value for m in app.markdown if "by the paper's recipe, but" in m.value]
    assert "claim 15 on networks of the strong recipe" in told and "13" not in told


def test_figure_10_says_whose_weights_it_shows(faces: Path, ledger: None) -> None:
    captions = [c.value for c in open_room("paper", faces).caption]
    (weights,) = [c for c in captions if c.startswith("Weights of the first layer")]
    assert "claim 17 judges filters of the paper-like recipe" in weights


def test_the_address_holds_the_verdicts_asked_for(faces: Path, ledger: None) -> None:
    page = html_of(open_room("paper", faces, verdict=["not reproduced"]))
    assert page.count('class="claim"') == 1 and "Sentence 2" in page
