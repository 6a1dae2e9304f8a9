"""Nothing of the user's is removed or overwritten, whatever an output is pointed at.

Each test puts something of the user's in a command's way, runs the command as it is typed, and
compares bytes. A refusal is one sentence and comes before the work.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import docs.results
import docs.screenshots
import fermodels
from benchmarks import peers
from docs import figures
from fermodels import files
from fermodels.classify import pictures, shards, table
from fermodels.data.readers import cache, fer2013_csv
from fermodels.data.samples import sample_faces
from fermodels.errors import CheckpointError, ConfigError, FerError, HubError
from fermodels.nets import catalog, checkpoint
from fermodels.results import DUPLICATES, LABEL_ERRORS
from fermodels.xai.concepts import tcav
from fermodels.xai.inspect import channels, features
from fermodels.xai.trust import planted_cue, scorecard
from studio import deploy
from studio.figures.dream import save_frames
from tests.classify.classify_toys import run as classify_run
from tests.data.readers.writers import made_up
from tests.data.readers.writers import write_csv as write_rows
from tests.toys import ROOT, TINY_FLAGS, striped_faces, tiny_net, write_csv
from train import calibrate, labels, loop, push, records, rescore
from train import planted_cue as train_planted_cue
from train import run as train_run
from train.claims import __main__ as claims_command
from train.state import STATE_FILE
from train.sweep import __main__ as sweep_command
from train.sweep import trial as sweep_trial

MINE = b"the user's own\n"
NOTHING = pd.DataFrame({"step": [1]})

Snapshot = dict[str, bytes | str | None]


def everything(folder: Path) -> Snapshot:
    """Return every path below a folder with its bytes, its link's target, or None for a folder."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "fer2013.csv", striped_faces(98))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep everything that a command might write in this test's own folder."""
    threads = torch.get_num_threads()
    for name in ("RESULTS", "CHECKPOINTS", "CACHE", "RUNS", "PEERS"):
        monkeypatch.setenv(f"FER_{name}", str(tmp_path / name.lower()))
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def epochs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs trained so far."""
    trained: list[int] = []
    plain = loop.run_epoch

    def counted(*given: Any) -> Any:
        trained.append(given[-1])
        return plain(*given)

    for module in (loop, sweep_trial):
        monkeypatch.setattr(module, "run_epoch", counted)
    return trained


def refused(main: Callable[[list[str]], int], *words: object) -> bool:
    return main([str(word) for word in words]) == 2


def train(*words: object) -> int:
    """Run ``python -m train.run`` on a tiny network in this process."""
    from fermodels.errors import exit_status

    given = [*TINY_FLAGS, "--epochs", "1", *map(str, words)]
    return exit_status(lambda: train_run.run(train_run.parse(given)))


def save(
    folder: Path, seed: int = 0, objection: files.Objection = checkpoint.any_checkpoint
) -> Path:
    """Write a checkpoint of an untrained network."""
    checkpoint.save(
        folder, tiny_net(seed), {"variant": "shallow", "recipe": "toy"}, {},
        catalog.History(NOTHING, NOTHING), NOTHING, "card", objection,
    )  # fmt: skip
    return folder


# What a user may have where a checkpoint is told to go, and what must be said of it.


def a_file(place: Path) -> str:
    place.write_bytes(MINE)
    return "is no folder"


def a_folder(place: Path) -> str:
    place.mkdir()
    (place / "thesis.tex").write_bytes(MINE)
    return "'thesis.tex', which is no part of a checkpoint"


def another_program(place: Path) -> str:
    """A model of another library: the very same file names."""
    place.mkdir()
    (place / "config.json").write_text('{"architectures": ["Bert"]}')
    (place / "model.safetensors").write_bytes(MINE)
    return "no checkpoint of ours"


def a_stray(place: Path) -> str:
    save(place)
    (place / "notes.md").write_bytes(MINE)
    return "'notes.md', which is no part"


def a_hidden_stray(place: Path) -> str:
    save(place)
    (place / ".env").write_bytes(MINE)
    return "'.env', which is no part"


def a_folder_within(place: Path) -> str:
    save(place)
    (place / "README.md").unlink()
    (place / "README.md").mkdir()
    (place / "README.md" / "x").write_bytes(MINE)
    return "'README.md', which is no part"


def a_link(place: Path) -> str:
    save(place.with_name("linked"))
    place.symlink_to(place.with_name("linked"))
    return "is a link (to "


def a_dead_link(place: Path) -> str:
    place.symlink_to(place.with_name("unmounted"))
    return "is a link (to "


def a_link_within(place: Path) -> str:
    save(place)
    (place / "README.md").rename(place.with_name("card.md"))
    (place / "README.md").symlink_to(place.with_name("card.md"))
    return "'README.md', which is no part"


def a_pipe(place: Path) -> str:
    os.mkfifo(place)
    return "is no folder"


IN_THE_WAY = [
    a_file, a_folder, another_program, a_stray, a_hidden_stray, a_folder_within, a_link,
    a_dead_link, a_link_within, a_pipe,
]  # fmt: skip


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize("put", IN_THE_WAY)
def test_out_is_refused_before_the_first_epoch(
    csv: Path, tmp_path: Path, epochs: list[int], capsys: pytest.CaptureFixture[str],
    put: Callable[[Path], str], overwrite: tuple[str, ...],
) -> None:  # fmt: skip
    said = put(tmp_path / "out")
    before = everything(tmp_path)
    words = ("--data", csv, "--run-dir", tmp_path / "r", "--out", tmp_path / "out", *overwrite)
    assert train(*words) == 2
    told = capsys.readouterr().err
    assert said in told and told.startswith("error: ") and told.count("\n") == 1
    assert everything(tmp_path) == before and not epochs


@pytest.mark.parametrize("out", ["file/deep", "/dev/null", "/proc/deep"])
def test_a_place_that_cannot_be_made_is_known_before_the_first_epoch(
    csv: Path, tmp_path: Path, epochs: list[int], out: str
) -> None:
    (tmp_path / "file").write_bytes(MINE)
    if out.startswith("/proc") and os.access("/proc", os.W_OK):
        pytest.skip("this user may write anywhere")
    assert train("--data", csv, "--run-dir", tmp_path / "r", "--out", tmp_path / out) == 2
    assert (tmp_path / "file").read_bytes() == MINE and not epochs


def test_a_checkpoint_of_another_run_is_replaced_only_on_purpose(
    csv: Path, tmp_path: Path, epochs: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    bundled = save(tmp_path / "checkpoints" / "deep")
    before = everything(bundled)
    words = ("--data", csv, "--out", bundled, "--run-dir", tmp_path / "r")
    assert train(*words) == 2
    assert "a checkpoint of another run (--overwrite replaces it)" in capsys.readouterr().err
    assert everything(bundled) == before and not epochs
    assert train(*words, "--overwrite") == 0
    assert set(everything(bundled)) == set(catalog.FILES) and everything(bundled) != before
    fermodels.load(bundled)
    assert [path.name for path in bundled.parent.iterdir()] == ["deep"]


@pytest.mark.parametrize("out", ["r/checkpoint", "elsewhere", "r/final"])
def test_a_resumed_run_replaces_its_own_checkpoint(csv: Path, tmp_path: Path, out: str) -> None:
    words = ("--data", csv, "--run-dir", tmp_path / "r", "--out", tmp_path / out)
    assert train(*words) == 0
    first = everything(tmp_path / out)
    assert train(*words, "--resume") == 0
    assert everything(tmp_path / out) == first
    (tmp_path / out / "README.md").write_bytes(MINE)
    assert train(*words, "--resume") == 2, "a card that was edited by hand"
    assert (tmp_path / out / "README.md").read_bytes() == MINE
    for name in catalog.FILES:  # another's is in its place
        (tmp_path / out / name).unlink()
    save(tmp_path / out)
    other = everything(tmp_path / out)
    assert train(*words, "--resume") == 2
    assert everything(tmp_path / out) == other


def test_out_cannot_be_the_runs_own_folder(csv: Path, tmp_path: Path, epochs: list[int]) -> None:
    for run in ("r", "r/inner"):
        words = ("--data", csv, "--run-dir", tmp_path / run, "--out", tmp_path / "r")
        assert train(*words) == 2 and not epochs


def test_what_comes_while_a_run_trains_stays_and_the_checkpoint_is_put_beside(
    csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plain = tmp_path / "out", loop.close_epoch

    def meanwhile(*given: Any) -> None:
        plain(*given)
        out.mkdir()
        (out / "thesis.tex").write_bytes(MINE)

    monkeypatch.setattr(loop, "close_epoch", meanwhile)
    assert train("--data", csv, "--run-dir", tmp_path / "r", "--out", out) == 2
    assert f"the finished checkpoint is {out}-1" in capsys.readouterr().err
    assert everything(out) == {"thesis.tex": MINE}
    fermodels.load(tmp_path / "out-1")
    assert not list(tmp_path.glob(".*"))


def test_a_crash_between_the_two_renames_restores_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, plain = everything(save(tmp_path / "deep")), Path.rename

    def broken(error: type[BaseException]) -> Callable[[Path, Path], Path]:
        def rename(path: Path, to: Path) -> Path:
            if path.name == "new" and Path(to) == tmp_path / "deep":
                raise error(28, "No space left on device")
            return plain(path, to)

        return rename

    for error, kind in ((OSError, CheckpointError), (KeyboardInterrupt, KeyboardInterrupt)):
        monkeypatch.setattr(Path, "rename", broken(error))
        with pytest.raises(kind):
            save(tmp_path / "deep", 1, checkpoint.not_a_checkpoint)
        assert everything(tmp_path / "deep") == before
    finished = [tmp_path / "deep-1", *tmp_path.glob(".deep.*/new")]
    assert len(finished) == 2 and all(fermodels.load(path) for path in finished)


def test_a_folder_made_between_the_two_renames_costs_neither_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, plain = everything(save(tmp_path / "deep")), Path.rename

    def rename(path: Path, to: Path) -> Path:
        moved = plain(path, to)
        if path == tmp_path / "deep":
            path.mkdir()
            (path / "notes.md").write_bytes(MINE)
        return moved

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(CheckpointError, match=r"what was there is .*deep-1, .* is .*deep-2"):
        save(tmp_path / "deep", 1, checkpoint.not_a_checkpoint)
    assert everything(tmp_path / "deep-1") == before
    assert everything(tmp_path / "deep") == {"notes.md": MINE}
    assert fermodels.load(tmp_path / "deep-2") and not list(tmp_path.glob(".*"))


def test_a_file_put_into_the_old_checkpoint_at_the_last_moment_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "deep")
    plain = Path.rename

    def rename(path: Path, to: Path) -> Path:
        if path == tmp_path / "deep":
            (path / "notes.md").write_bytes(MINE)
        return plain(path, to)

    monkeypatch.setattr(Path, "rename", rename)
    save(tmp_path / "deep", 1, checkpoint.not_a_checkpoint)
    (kept,) = tmp_path.glob(".deep.*/old/*")
    assert kept.read_bytes() == MINE


# --run-dir

FOREIGN: dict[str, bytes] = {
    "holiday.jpg": MINE,
    STATE_FILE: MINE,
    "sanity.json": b'{"sane": true}',
    "provenance.json": b"[]",
    "progress.json": b'{"epoch": 1}',
    "history.parquet": MINE,
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_a_run_dir_of_somebody_elses_is_refused_before_the_first_epoch(
    csv: Path, tmp_path: Path, epochs: list[int], capsys: pytest.CaptureFixture[str],
    name: str, resume: tuple[str, ...],
) -> None:  # fmt: skip
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / name).write_bytes(FOREIGN[name])
    before = everything(tmp_path)
    assert train("--data", csv, "--run-dir", tmp_path / "r", *resume) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and told.count("\n") == 1
    assert everything(tmp_path) == before and not epochs


def test_a_run_dir_that_is_a_file_or_a_dead_link_is_refused(csv: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(MINE)
    (tmp_path / "link").symlink_to(tmp_path / "unmounted")
    before = everything(tmp_path)
    for place in ("file", "file/inner", "link"):
        assert train("--data", csv, "--run-dir", tmp_path / place) == 2
    assert everything(tmp_path) == before


@pytest.mark.parametrize("part", ["sanity.json", STATE_FILE, "progress.json", "history.parquet"])
def test_a_link_in_a_run_dir_is_neither_replaced_nor_written_through(
    csv: Path, tmp_path: Path, epochs: list[int], part: str
) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "mine").write_bytes(MINE)
    (tmp_path / "r" / part).symlink_to(tmp_path / "mine")
    before = everything(tmp_path)
    assert train("--data", csv, "--run-dir", tmp_path / "r") == 2
    assert everything(tmp_path) == before and not epochs


def test_a_run_goes_on_beside_the_users_notes_and_a_link_to_another_disk_is_followed(
    csv: Path, tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "r").symlink_to(tmp_path / "disk")
    (tmp_path / "r" / "log.txt").write_bytes(MINE)  # as train/queue.sh begins it
    words = ("--data", csv, "--run-dir", tmp_path / "r")
    assert train(*words) == 0
    (tmp_path / "r" / "notes.md").write_bytes(MINE)
    assert train(*words, "--resume") == 0
    assert (tmp_path / "disk" / "notes.md").read_bytes() == MINE
    assert (tmp_path / "disk" / "log.txt").read_bytes() == MINE
    assert (tmp_path / "r").is_symlink()


# Sweeps


@pytest.mark.parametrize(
    "name", ["holiday.jpg", "study.db", "trial-0", "trial-0/state.pt", "foreign"]
)
def test_a_sweeps_folder_of_somebody_elses_is_refused(
    csv: Path, tmp_path: Path, epochs: list[int], name: str
) -> None:
    place = tmp_path / "r" / name
    place.parent.mkdir(parents=True)
    if name == "foreign":
        place = place.with_name("study.db")
        with sqlite3.connect(place) as database:
            database.execute("CREATE TABLE diary (day TEXT)")
        database.close()
    else:
        place.write_bytes(MINE)
    before = everything(tmp_path)
    words = ("--variant", "shallow", "--data", csv, "--run-dir", tmp_path / "r", "--trials", "1")
    assert refused(sweep_command.main, *words)
    assert everything(tmp_path) == before and not epochs


def test_a_finished_trial_removes_its_state_and_nothing_else(tmp_path: Path) -> None:
    trial = tmp_path / "trial-0"
    trial.mkdir()
    for name in (STATE_FILE, f".{STATE_FILE}.half.pt", "notes.md"):
        (trial / name).write_bytes(MINE)
    sweep_trial._forget(trial)
    assert everything(trial) == {"notes.md": MINE}
    (trial / "notes.md").unlink()
    sweep_trial._forget(trial)
    assert not trial.exists()


# Results

Command = tuple[Callable[[list[str]], int], tuple[str, ...], tuple[str, ...]]

RESULTS: dict[str, Command] = {
    "claims": (claims_command.main, (), ("claims.json",)),
    "labels": (
        labels.main, ("--data", "samples"),
        ("duplicates.json", "duplicates.parquet", "label_votes.json", "label_doubt.json",
         "label_doubt.parquet"),
    ),
    "scorecard": (scorecard.main, ("--model", "toy"), ("scorecard-toy.json",)),
    "known_answer": (planted_cue.main, (), ("known-answer/results.json",)),
    "channels": (channels.main, ("--model", "toy"), ("channels-toy.json", "channels-toy.parquet")),
    "concepts": (tcav.main, ("--model", "toy"), ("concepts-toy.json",)),
    "representation": (
        features.main, ("--model", "toy", "--no-umap"),
        ("representation-toy.json", "representation-toy.parquet"),
    ),
    "sweep": (
        sweep_command.main, ("--variant", "shallow", "--data", "samples"), ("sweep-shallow.json",),
    ),
    "train.planted_cue": (
        train_planted_cue.main, ("--epochs", "1"), ("known-answer/checkpoint",),
    ),
}  # fmt: skip
"""Command -> what runs it, its words, and what it writes below the folder of results."""


def never(*_: Any, **__: Any) -> Any:
    raise AssertionError("it began to work")


@pytest.fixture
def idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network to ask about; whoever begins to read faces has come too far."""
    save(tmp_path / "checkpoints" / "toy")
    for module in (claims_command, labels, channels, tcav, features, sweep_command):
        monkeypatch.setattr(module, "read_faces", never)
    monkeypatch.setattr("fermodels.xai.trust.scorecard.read_faces", never)
    monkeypatch.setattr("fermodels.xai.trust.planted_cue.marked_faces", never)
    monkeypatch.setattr(train_planted_cue, "marked_dataset", never)
    monkeypatch.setattr(claims_command, "ledger", never)


def put_text(place: Path) -> None:
    place.write_bytes(MINE)


def put_json(place: Path) -> None:
    place.write_text('{"provenance": "my grandmother"}')


def put_table(place: Path) -> None:
    pd.DataFrame({"sample_id": ["x"], "mine": [1]}).to_parquet(place)


def put_folder(place: Path) -> None:
    place.mkdir()
    (place / "x").write_bytes(MINE)


def put_link(place: Path) -> None:
    target = place.with_name("target")
    target.write_text(json.dumps({"provenance": {"data_name": "x", "data_hash": "y"}}))
    place.symlink_to(target)


@pytest.mark.parametrize("put", [put_text, put_json, put_table, put_folder, put_link])
@pytest.mark.parametrize("command", RESULTS)
def test_a_result_replaces_nothing_but_a_result_and_says_so_before_it_computes(
    tmp_path: Path, idle: None, capsys: pytest.CaptureFixture[str],
    command: str, put: Callable[[Path], None],
) -> None:  # fmt: skip
    main, words, written = RESULTS[command]
    for name in written:
        place = tmp_path / "results" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        put(place)
        before = everything(tmp_path / "results")
        assert refused(main, *words), name
        told = capsys.readouterr().err
        assert told.startswith("error: ") and place.name in told and told.count("\n") == 1
        assert everything(tmp_path / "results") == before
        shutil.rmtree(tmp_path / "results")


def test_a_comparison_of_peers_replaces_nothing_but_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "peers.json").write_bytes(MINE)
    monkeypatch.setattr("sys.argv", ["peers"])
    monkeypatch.setenv("FER2013_DIR", "samples")
    monkeypatch.setattr(peers, "read_faces", never)
    assert peers.main() == 2
    assert (tmp_path / "results" / "peers.json").read_bytes() == MINE


def test_a_result_of_ours_is_replaced_and_one_that_came_meanwhile_is_not(tmp_path: Path) -> None:
    path, origin = tmp_path / "claims.json", {"data_name": "x", "data_hash": "y"}
    for number in (1, 2):
        files.write_json(path, {"claims": number, "provenance": origin})
    assert json.loads(path.read_text())["claims"] == 2
    path.write_bytes(MINE)
    with pytest.raises(ConfigError, match=r"no result of ours .* new file is .*claims-1\.json"):
        files.write_json(path, {"claims": 3, "provenance": origin})
    assert path.read_bytes() == MINE
    assert json.loads((tmp_path / "claims-1.json").read_text())["claims"] == 3


def test_filed_records_replace_nothing_but_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.train.claims.claim_toys import GOOD, write_run

    write_run(tmp_path / "deep", **GOOD["deep"])
    filed = tmp_path / "results" / "paper-runs" / "deep"
    for name in catalog.RECORDS:
        filed.mkdir(parents=True)
        (filed / name).write_bytes(MINE)
        assert refused(records.main, tmp_path / "deep")
        assert f"{filed / name} is no" in capsys.readouterr().err
        assert everything(filed) == {name: MINE}
        (filed / name).unlink()
        filed.rmdir()
    assert records.main([str(tmp_path / "deep")]) == 0


@pytest.fixture(scope="module")
def trained(csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run's checkpoint."""
    folder = tmp_path_factory.mktemp("trained")
    assert train("--data", csv, "--run-dir", folder / "r") == 0
    return folder / "r" / "checkpoint"


def test_views_leave_a_card_that_was_edited_and_begin_no_scoring(
    csv: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Path(shutil.copytree(trained, tmp_path / "mine"))
    (mine / "README.md").write_bytes((mine / "README.md").read_bytes() + MINE)
    monkeypatch.setattr(rescore, "accuracy", never)
    before = everything(mine)
    assert refused(rescore.main, mine, "--data", csv)
    assert everything(mine) == before


@pytest.mark.parametrize("name", ["README.md", "metrics.json"])
def test_views_and_calibration_leave_links_as_they_are(
    csv: Path, trained: Path, tmp_path: Path, name: str
) -> None:
    mine = Path(shutil.copytree(trained, tmp_path / "mine"))
    (mine / name).rename(tmp_path / name)
    (mine / name).symlink_to(tmp_path / name)
    before = everything(tmp_path)
    assert refused(rescore.main, mine, "--data", csv)
    assert name == "README.md" or refused(calibrate.main, mine)
    assert everything(tmp_path) == before


def test_calibration_leaves_metrics_that_are_none_of_ours(trained: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copytree(trained, tmp_path / "mine"))
    (mine / "metrics.json").write_text('{"accuracy": 1}')
    before = everything(mine)
    assert refused(calibrate.main, mine)
    assert everything(mine) == before


# Pictures and the README


@pytest.mark.parametrize("name", ["figure-9.png", "figure-11.png", "figures.json"])
def test_figures_replace_nothing_but_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(figures, "read_faces", never)
    out = tmp_path / "docs"
    out.mkdir()
    if name.endswith(".png"):
        Image.new("RGB", (4, 4)).save(out / name)  # the user's, a good PNG
    else:
        (out / name).write_bytes(MINE)
    before = everything(out)
    assert refused(figures.main, "--model", "deep", "--out", out)
    assert everything(out) == before


def test_the_committed_figures_are_known_as_ours() -> None:
    for key in figures.FIGURES:
        assert files.not_our_picture(figures.FOLDER / f"{key}.png") is None
    assert files.not_a_result(figures.FOLDER / "figures.json") is None


def test_every_committed_result_and_checkpoint_is_known_as_ours() -> None:
    results, shipped = sorted((ROOT / "results").rglob("*.json")), ROOT / "checkpoints"
    assert results and all(
        files.not_a_result(p) is None for p in results if p.name != catalog.CONFIG
    )
    for folder in [*shipped.iterdir(), ROOT / "results" / "known-answer" / "checkpoint"]:
        assert checkpoint.not_a_checkpoint(folder) is None
    for folder in (ROOT / "results" / "paper-runs").iterdir():
        assert not [name for name, why in records.OBJECTIONS.items() if why(folder / name)]
    for result in (DUPLICATES, LABEL_ERRORS):
        objection = files.not_a_table_with(*result.columns)
        assert objection(ROOT / "results" / f"{result.name}.parquet") is None


def test_screenshots_replace_nothing_but_screenshots(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "home-390-dark.png")
    asked = argparse.Namespace(out=tmp_path, widths=[390], schemes=["dark"], rooms=["home"])
    with pytest.raises(ConfigError, match="no picture that we drew"):
        docs.screenshots.planned(asked)


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_a_dream_is_saved_over_a_dream_and_over_nothing_else(tmp_path: Path, suffix: str) -> None:
    frames = np.zeros((2, 8, 8), np.uint8)
    for _ in range(2):
        save_frames(frames, tmp_path / f"dream{suffix}")
    mine = tmp_path / f"mine{suffix}"
    Image.new("L", (8, 8)).save(mine)
    before = mine.read_bytes()
    with pytest.raises(ConfigError, match="is no picture that we drew"):
        save_frames(frames, mine)
    assert mine.read_bytes() == before and not (tmp_path / f"mine-1{suffix}").exists()


@pytest.mark.parametrize("text", ["# mine\n", "", "{0}{0}", "{1}"])
def test_a_readme_without_the_marks_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    readme = tmp_path / "README.md"
    first, *others = [docs.results.marks(name) for name in docs.results.TABLES]
    marked = text.format("".join(first), "".join(reversed(first)))
    readme.write_text(marked + "".join(begin + end for begin, end in others))
    before = readme.read_bytes()
    monkeypatch.setattr(docs.results, "pages", lambda: {readme: docs.results.TABLES})
    assert docs.results.main() == 2
    assert capsys.readouterr().err.startswith("error: ") and readme.read_bytes() == before


def test_the_readme_keeps_all_but_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = tmp_path / "README.md"
    every = ["".join(docs.results.marks(name)) for name in docs.results.TABLES]
    readme.write_bytes(("mine\r\n" + "\r\n".join(every) + "\r\nlast").encode())
    monkeypatch.setattr(docs.results, "pages", lambda: {readme: docs.results.TABLES})
    assert docs.results.main() == 0
    assert readme.read_bytes().startswith(b"mine\r\n") and readme.read_bytes().endswith(b"\r\nlast")


# classify --out


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(sample_faces().images[number]).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def one_network(tmp_path: Path) -> Iterator[None]:
    save(tmp_path / "checkpoints" / "shallow")
    pictures.network.cache_clear()
    yield
    pictures.network.cache_clear()


MODES = [(), ("--resume",), ("--overwrite",)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["notes.csv", "notes.json", "notes.parquet", "notes.csv.journal"])
@pytest.mark.parametrize("content", [MINE, b"", b"no line end", b"[1]\n", b'{"models": []}\n'])
def test_answers_replace_nothing_but_answers(
    photos: Path, one_network: None, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], mode: tuple[str, ...], name: str, content: bytes,
) -> None:  # fmt: skip
    """OUT lies among the inputs, which changes nothing: no input is an answer of ours."""
    (photos / name).write_bytes(content)
    before = everything(photos)
    monkeypatch.setattr(pictures, "rows_of", never)
    assert classify_run(photos, "--out", photos / name.removesuffix(".journal"), *mode) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and told.count("\n") == 1
    assert everything(photos) == before


@pytest.mark.parametrize("mode", MODES)
def test_answers_do_not_replace_an_input_a_folder_a_pipe_or_a_device(
    photos: Path, one_network: None, mode: tuple[str, ...]
) -> None:
    (photos / "0.png").rename(photos / "0.csv")  # a picture may be named so, and be an input
    (photos / "folder.csv").mkdir()
    os.mkfifo(photos / "pipe.csv")
    kinds = [path.lstat().st_mode for path in sorted(photos.iterdir())]
    picture = (photos / "0.csv").read_bytes()
    for name in ("0.csv", "folder.csv", "pipe.csv", "/dev/null"):
        assert classify_run(photos / "0.csv", "--out", photos / name, *mode) == 2
    assert [path.lstat().st_mode for path in sorted(photos.iterdir())] == kinds
    assert (photos / "0.csv").read_bytes() == picture


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", ["answers.csv", "gone.csv"])
@pytest.mark.parametrize("link", ["out.csv", "out.csv.journal"])
def test_a_link_to_answers_is_neither_replaced_nor_written_through(
    photos: Path, tmp_path: Path, one_network: None, mode: tuple[str, ...], target: str, link: str
) -> None:
    table.write(tmp_path / "answers.csv", [])
    (tmp_path / link).symlink_to(tmp_path / target)
    before = everything(tmp_path)
    assert classify_run(photos, "--out", tmp_path / "out.csv", *mode) == 2
    assert everything(tmp_path) == before


@pytest.mark.parametrize("ending", sorted(table.FORMS))
def test_earlier_answers_are_replaced_only_on_purpose(
    photos: Path, tmp_path: Path, one_network: None, ending: str
) -> None:
    out = tmp_path / f"out{ending}"
    assert classify_run(photos, "--out", out) == 0
    first = out.read_bytes()
    (photos / "1.png").unlink()
    assert classify_run(photos, "--out", out) == 2 and out.read_bytes() == first
    assert classify_run(photos, "--out", out, "--resume") == 0
    assert {Path(str(row["file"])).name for row in table.read(out)} == {"0.png", "1.png"}
    assert classify_run(photos, "--out", out, "--overwrite") == 0
    assert {Path(str(row["file"])).name for row in table.read(out)} == {"0.png"}


@pytest.mark.parametrize("content", [MINE, table.to_csv([]).encode()])
def test_what_comes_while_photos_are_classified_stays_and_no_answer_is_lost(
    photos: Path, tmp_path: Path, one_network: None, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """Another command's answers too, where nothing was at the start."""
    out, plain = tmp_path / "out.csv", pictures.predict_rows
    journal = out.with_name("out.csv.journal")

    def answer(*given: Any) -> Any:
        out.write_bytes(content)
        return plain(*given)

    monkeypatch.setattr(pictures, "predict_rows", answer)
    assert classify_run(photos, "--out", out) == 2
    assert out.read_bytes() == content
    assert len(table.read(tmp_path / "out-1.csv")) == 2 and journal.exists()


def test_a_journal_that_was_exchanged_meanwhile_is_not_removed(
    photos: Path, tmp_path: Path, one_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, plain = tmp_path / "out.csv", pictures.predict_rows
    journal = out.with_name("out.csv.journal")

    def answer(*given: Any) -> Any:
        (tmp_path / "other").write_bytes(MINE)
        (tmp_path / "other").rename(journal)
        return plain(*given)

    monkeypatch.setattr(pictures, "predict_rows", answer)
    assert classify_run(photos, "--out", out) == 0
    assert journal.read_bytes() == MINE


def shard(path: Path) -> Path:
    buffer = BytesIO()
    Image.fromarray(sample_faces().images[0]).save(buffer, "PNG")
    pd.DataFrame({"image": [{"bytes": buffer.getvalue(), "path": "a"}]}).to_parquet(path)
    return path


def test_shards_never_replace_their_inputs_nor_pass_others_tables_for_answers(
    tmp_path: Path, one_network: None, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = shard(tmp_path / "one.parquet"), shard(tmp_path / "two.parquet")
    out = tmp_path / "answers"
    assert refused(shards.main, one, "--out", tmp_path)  # the inputs' own folder
    assert refused(shards.main, one, "--out", one)
    out.mkdir()
    (out / "two.parquet").write_bytes(MINE)
    before = everything(tmp_path)
    capsys.readouterr()
    assert refused(shards.main, one, two, "--out", out), "known before the first table"
    assert "two.parquet is no table of ours" in capsys.readouterr().err
    (out / "two.parquet").unlink()
    (out / "two.parquet").symlink_to(two)
    assert refused(shards.main, two, "--out", out)
    (out / "two.parquet").unlink()
    assert everything(tmp_path) == {k: v for k, v in before.items() if k != "answers/two.parquet"}
    assert shards.main([str(one), str(two), "--out", str(out)]) == 0
    assert shards.main([str(one), str(two), "--out", str(out)]) == 0
    assert "skipped" in capsys.readouterr().out


def test_ray_gets_a_new_folder_only(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for name in ("", "link"):
        with pytest.raises(ConfigError, match="exists"):
            shards.classify_with_ray([], tmp_path / name)


# The cache of faces, and the peers' environments


def test_the_cache_drops_nothing_that_it_did_not_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FER_CACHE is the user's own folder, and a memo in it names the user's files."""
    mine = tmp_path / "pictures"
    mine.mkdir()
    monkeypatch.setenv("FER_CACHE", str(mine))
    monkeypatch.setattr(cache, "FEWEST_ROWS", 10)
    for name in ("family.npz", "holiday.jpg", "notes.json", "0.npz"):
        (mine / name).write_bytes(MINE)
    (tmp_path / "outside.npz").write_bytes(MINE)
    before = everything(mine)
    path = write_rows(tmp_path / "fer2013.csv", made_up())

    def read() -> Any:
        rows = cache.through("CSV", [path], lambda: fer2013_csv.read(path))
        cache.finish()
        return rows

    read()
    (memo,) = set(mine.glob("*.json")) - {mine / "notes.json"}
    whole = memo.read_text()
    for name in ("family", "../outside", str(tmp_path / "outside"), "0", "", 0):
        memo.write_text(json.dumps({"content": name}))
        read()
        assert memo.read_text() == whole, "it was read anew"
    assert {k: v for k, v in everything(mine).items() if k in before} == before
    assert (tmp_path / "outside.npz").read_bytes() == MINE
    assert len(list(mine.iterdir())) == 4 + 2, "the arrays and the memo, and nothing else of ours"


def test_a_folder_is_not_cleared_for_a_peers_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "_call", never)
    (tmp_path / "peers" / "fer").mkdir(parents=True)
    (tmp_path / "peers" / "fer" / "thesis.tex").write_bytes(MINE)
    name = next(iter(peers.PEERS))
    (tmp_path / "peers" / "fer").rename(tmp_path / "peers" / name)
    with pytest.raises(ConfigError, match="no virtual environment"):
        peers.environment(name)


# The Hub


class Entry:
    """What the Hub lists of a file."""

    def __init__(self, name: str, size: int = 9) -> None:
        self.rfilename, self.size = name, size


class Hub:
    """A Hub with one repository; committing to it counts."""

    endpoint = "http://hub"

    def __init__(self, names: list[str]) -> None:
        self.siblings, self.sha, self.commits = [Entry(name) for name in names], "0" * 40, 0
        self.oid = self.sha

    def __call__(self) -> Hub:
        return self

    def model_info(self, *_: Any, **__: Any) -> Hub:
        return self

    space_info = model_info

    def create_repo(self, *_: Any, **__: Any) -> None: ...

    def create_commit(self, *_: Any, **__: Any) -> Hub:
        self.commits += 1
        return self


USERS_REPOS = [["README.md"], ["config.json", "pytorch_model.bin"], ["app.py", "README.md"]]


@pytest.mark.parametrize("names", USERS_REPOS)
def test_a_repository_of_something_else_is_not_pushed_into(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, csv: Path, epochs: list[int],
    names: list[str],
) -> None:  # fmt: skip
    hub = Hub([*names, ".gitattributes"])
    theirs = tmp_path / "config.json"
    theirs.write_text('{"architectures": ["Bert"]}')
    monkeypatch.setattr(push, "HfApi", hub)
    monkeypatch.setattr(push, "get_token", lambda: "t")
    monkeypatch.setattr(push, "hf_hub_download", lambda *_, **__: str(theirs))
    with pytest.raises(HubError, match=r"but no checkpoint of ours: .* add --overwrite"):
        push.push(trained, "alice/mine")
    words = ("--data", csv, "--run-dir", tmp_path / "r", "--push", "alice/mine")
    assert train(*words) == 2 and not epochs
    assert hub.commits == 0
    push.push(trained, "alice/mine", overwrite=True)
    theirs.write_bytes((trained / "config.json").read_bytes())
    if "config.json" in names:
        push.push(trained, "alice/mine")
        assert hub.commits == 2
    hub.siblings = [Entry(".gitattributes")]
    push.push(trained, "alice/mine")


@pytest.mark.parametrize("names", USERS_REPOS)
def test_a_space_of_something_else_is_not_deployed_into(
    monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    hub = Hub([*names, ".gitattributes"])
    monkeypatch.setattr("huggingface_hub.HfApi", hub)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "t")
    with pytest.raises(HubError, match=r"but no studio: .* add --overwrite"):
        deploy.deploy("alice/mine")
    assert hub.commits == 0
    deploy.deploy("alice/mine", overwrite=True)
    hub.siblings = [Entry(name) for name in [*deploy.files_of("docker"), "README.md", "theirs.py"]]
    deploy.deploy("alice/mine")
    hub.siblings = []
    deploy.deploy("alice/mine")
    assert hub.commits == 3


# The kind: no other way to write


ELSEWHERE = {
    "fermodels/files.py": "the rule itself",
    "fermodels/nets/checkpoint.py": "a folder made by mkdtemp; renames under the rule",
    "fermodels/hub.py": "damaged files of the Hub's own cache",
    "fermodels/classify/table.py": "fills what the rule hands over",
    "fermodels/classify/journal.py": "its own journal, known by its inode",
    "fermodels/data/readers/cache.py": "its own names, in its own folder",
    "fermodels/data/samples.py": "the package's own artefact, on --write",
    "studio/classify_tab/uploads.py": "visitors' photos, in a mkdtemp folder; known by its lock",
    "benchmarks/same_results.py": "a new file, opened for exclusive creation",
    "benchmarks/data.py": "a folder made by mkdtemp",
    "benchmarks/ui.py": "a folder made by mkdtemp",
    "benchmarks/browser.py": "a log in a folder made by mkdtemp",
    "benchmarks/peers.py": "an environment, known by pyvenv.cfg",
    "benchmarks/peer_worker.py": "a file in its caller's folder made by mkdtemp",
}
"""File -> why it writes or removes without `write_atomically`."""
WRITERS = {
    "write_text", "write_bytes", "unlink", "rmtree", "rename", "rmdir", "savez",
    "savez_compressed", "to_parquet",
}  # fmt: skip


def bare_writes(path: Path) -> Iterator[str]:
    """Yield calls that write or remove, but for those inside a lambda given to the rule."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    sheltered = {id(n) for fn in ast.walk(tree) if isinstance(fn, ast.Lambda) for n in ast.walk(fn)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or id(node) in sheltered:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        name = node.func.id if isinstance(node.func, ast.Name) else name
        words = [a.value for a in node.args if isinstance(a, ast.Constant)]
        writes = name == "open" and any(str(word)[:1] in "wax" for word in words if word)
        if writes or name in WRITERS:
            yield f"{path.relative_to(ROOT)}:{node.lineno} {name}"


def test_commands_write_and_remove_by_the_rule_alone() -> None:
    found = [
        line
        for folder in ("fermodels", "train", "docs", "benchmarks", "studio", "pages")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if str(path.relative_to(ROOT)) not in ELSEWHERE
        for line in bare_writes(path)
    ]
    assert found == []


def test_an_error_of_the_rule_is_one_of_ours() -> None:
    with pytest.raises(FerError):
        files.check_output(ROOT / "README.md", files.anything)
