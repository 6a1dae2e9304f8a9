"""The shipped sample set equals a fresh render, and nothing in it came from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fermodels.data import samples
from fermodels.data.synthetic import AU_NAMES, random_spec, render_image
from fermodels.errors import DataError


def test_samples_equal_a_fresh_render_of_their_seeds() -> None:
    stored = samples.sample_set()
    rows = np.arange(0, len(stored.faces), 12)
    for row in rows:
        spec = random_spec(int(stored.seeds[row]), int(stored.faces.labels[row]))
        fresh = render_image(spec).astype(int)
        assert np.abs(fresh - stored.faces.images[row]).max() <= 1
        expected = [spec.action_units[name] for name in AU_NAMES]
        assert stored.action_units[row] == pytest.approx(expected, abs=1e-6)


def test_seeds_are_those_of_the_recorded_command() -> None:
    from fermodels.data.synthetic.dataset import face_seed

    stored = samples.sample_set()
    row = 0
    for split, count in samples.PER_CLASS.items():
        for label in range(7):
            for index in range(count):
                assert stored.faces.splits[row] == split
                assert stored.faces.labels[row] == label
                assert stored.seeds[row] == face_seed(samples.SEED, split, label, index)
                row += 1
    assert row == len(stored.faces)


def test_splits_are_balanced_and_share_no_face() -> None:
    faces = samples.sample_faces()
    assert faces.counts() == {split: [count] * 7 for split, count in samples.PER_CLASS.items()}
    assert len({image.tobytes() for image in faces.images}) == len(faces)
    assert len(set(faces.ids)) == len(faces)


def test_action_units_are_aligned_with_the_faces() -> None:
    units, faces = samples.sample_action_units(), samples.sample_faces()
    assert units.shape == (len(faces), len(AU_NAMES))
    assert units.dtype == np.float32
    smile = units[:, AU_NAMES.index("AU12")]
    assert (smile[faces.labels == 3] > 0.5).all()
    assert (smile[faces.labels != 3] == 0).all()


def test_provenance_names_seed_command_and_content() -> None:
    provenance = json.loads(samples.PROVENANCE_FILE.read_text(encoding="utf-8"))
    assert provenance["seed"] == samples.SEED
    assert provenance["faces_per_class"] == samples.PER_CLASS
    assert provenance["content_hash"] == samples.sample_faces().content_hash
    assert "samples --write" in provenance["command"]


def test_a_missing_artefact_names_the_command_that_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "FACES_FILE", tmp_path / "samples.npz")
    samples.sample_set.cache_clear()
    with pytest.raises(DataError, match="--write"):
        samples.sample_faces()
    samples.sample_set.cache_clear()


def test_writing_and_reading_returns_the_same_faces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(samples, "ASSETS", tmp_path)
    monkeypatch.setattr(samples, "FACES_FILE", tmp_path / "samples.npz")
    monkeypatch.setattr(samples, "PROVENANCE_FILE", tmp_path / "samples.json")
    monkeypatch.setattr(samples, "PER_CLASS", {"train": 1, "test": 1})
    samples.sample_set.cache_clear()
    assert samples.main(["--write"]) == 0
    assert "14 sample faces" in capsys.readouterr().out
    assert samples.sample_faces().content_hash == samples.render_samples().faces.content_hash
    samples.sample_set.cache_clear()


def test_read_samples_is_the_sample_set() -> None:
    assert samples.read_samples() is samples.sample_faces()


def test_sample_photos_are_colour_pictures_that_need_no_download() -> None:
    photos = samples.sample_photos()
    assert photos["astronaut"].shape == (512, 512, 3)
    assert all(photo.dtype == np.uint8 for photo in photos.values())
