"""The renderer's faces are repeatable, and its action units move what anatomy says they move."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from fermodels.data.emotions import EMOTIONS
from fermodels.data.synthetic import (
    ACTION_UNITS,
    AU_NAMES,
    EMFACS,
    Camera,
    FaceSpec,
    Identity,
    Pose,
    action_unit_regions,
    face_parts,
    random_identity,
    random_spec,
    render,
    render_image,
    synthetic_faces,
)
from fermodels.data.synthetic.frame import face_frame
from fermodels.data.synthetic.raster import FINE, average, bump, crease, pixel_grid, ramp
from fermodels.data.synthetic.regions import face_mask
from fermodels.data.synthetic.render import render_levels
from fermodels.data.synthetic.shading import light_direction, normals, shadow
from fermodels.data.synthetic.spec import Light
from fermodels.errors import DataError

FRONTAL = FaceSpec(Identity())

# unit -> rows of the picture within which nearly all of its region must lie on a frontal face.
ROWS = {
    "AU1": (0, 20), "AU2": (0, 21), "AU4": (5, 21), "AU5": (12, 22), "AU6": (12, 40),
    "AU7": (12, 24), "AU9": (6, 44), "AU10": (22, 44), "AU12": (14, 44), "AU15": (26, 48),
    "AU16": (32, 48), "AU17": (30, 48), "AU20": (24, 48), "AU23": (32, 46), "AU24": (32, 46),
    "AU25": (32, 46), "AU26": (24, 48), "AU27": (22, 48), "AU43": (12, 24),
}  # fmt: skip


@pytest.fixture(scope="module")
def regions() -> dict[str, np.ndarray]:
    return action_unit_regions(FRONTAL)


def test_equal_seeds_render_equal_pixels() -> None:
    for label in range(7):
        assert np.array_equal(
            render_image(random_spec(5, label)), render_image(random_spec(5, label))
        )


def test_other_seeds_render_other_people() -> None:
    images = np.stack([render_image(random_spec(seed, "neutral")) for seed in range(6)])
    for i in range(6):
        for j in range(i):
            assert np.abs(images[i].astype(int) - images[j]).mean() > 5


def test_person_pose_and_light_do_not_depend_on_the_expression() -> None:
    specs = [random_spec(11, emotion) for emotion in EMOTIONS]
    assert len({(spec.identity, spec.pose, spec.light, spec.camera) for spec in specs}) == 1
    assert specs[0].identity == random_identity(11)


def test_a_label_and_its_name_draw_the_same_face() -> None:
    for label, name in enumerate(EMOTIONS):
        assert random_spec(3, label) == random_spec(3, name)


def test_every_expression_has_prototypes_of_known_units_and_a_source() -> None:
    assert tuple(EMFACS) == EMOTIONS
    for prototypes in EMFACS.values():
        for prototype in prototypes:
            assert prototype.source
            assert set(prototype.action_units) <= set(ACTION_UNITS)


def test_drawn_intensities_stay_within_their_prototype_and_range() -> None:
    for seed in range(40):
        for emotion in EMOTIONS:
            units = random_spec(seed, emotion).action_units
            active = {name for name, intensity in units.items() if intensity > 0}
            assert active in [set(p.action_units) for p in EMFACS[emotion]]
            assert all(0.0 <= intensity <= 1.0 for intensity in units.values())


@pytest.mark.parametrize("bad", [{"AU99": 0.5}, {"AU12": 1.5}, {"AU12": float("nan")}])
def test_impossible_units_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(DataError, match="AU"):
        FaceSpec(Identity(), bad)


def test_unknown_expressions_are_refused() -> None:
    with pytest.raises(DataError, match="contempt"):
        random_spec(0, "contempt")
    with pytest.raises(DataError, match="7"):
        random_spec(0, 7)


def test_every_unit_moves_pixels_only_where_its_muscle_pulls(regions: dict) -> None:
    assert tuple(regions) == AU_NAMES
    for name, region in regions.items():
        low, high = ROWS[name]
        assert region.shape == (48, 48)
        assert region.dtype == bool
        assert region.sum() >= 20, name
        assert region[low:high].sum() >= 0.95 * region.sum(), name


def test_regions_equal_the_difference_of_two_plain_renders(regions: dict) -> None:
    quiet = replace(FRONTAL, camera=replace(FRONTAL.camera, noise=0.0))
    resting = render_image(quiet).astype(int)
    for name in ("AU4", "AU12", "AU26"):
        moved = render_image(replace(quiet, action_units={name: 1.0})).astype(int)
        # Rounding to whole grey levels may move a difference by one.
        difference = np.abs(moved - resting)
        on_face = face_mask(replace(quiet, action_units={name: 1.0}))
        assert regions[name][(difference > 5) & on_face].all()
        assert not regions[name][difference < 3].any()


BACKDROP = Camera(background=0.02, clutter=0.0, noise=0.0)


@pytest.mark.parametrize("name", AU_NAMES)
def test_no_region_takes_in_the_background_or_the_neck(name: str) -> None:
    """What changes with the backdrop is background; what lies below the chin is neck."""
    for seed in range(4):
        spec = replace(random_spec(seed, "neutral"), action_units={name: 1.0})
        region = action_unit_regions(spec, {name: 1.0})[name]
        dark, light = (
            render_levels(replace(spec, camera=replace(BACKDROP, background=level)), noise=False)
            for level in (0.02, 0.9)
        )
        seen = np.abs(light - dark)
        assert not (region & (seen > 0.7 * seen.max())).any()
        assert region.any() and not (region & ~face_mask(spec)).any()
        # below the chin, wherever the head turns, no column of the face goes on
        inside = face_mask(spec)
        lowest = np.where(inside.any(0), 47 - inside[::-1].argmax(0), -1)
        assert (np.nonzero(region)[0] <= lowest[np.nonzero(region)[1]]).all()


@pytest.mark.parametrize("expression", EMOTIONS)
def test_regions_of_a_whole_expression_stay_within_the_face_shown(expression: str) -> None:
    for seed in range(3):
        spec = random_spec(seed, expression)
        for region in render(spec).regions.values():
            assert not (region & ~face_mask(spec)).any()


def test_a_face_ends_lower_where_the_jaw_drops() -> None:
    rows = [
        int(np.nonzero(face_mask(replace(FRONTAL, action_units=units)))[0].max())
        for units in ({}, {"AU26": 1.0})
    ]
    assert rows[0] < rows[1]


def test_a_unit_at_zero_moves_nothing() -> None:
    empty = action_unit_regions(FRONTAL, dict.fromkeys(AU_NAMES, 0.0))
    assert not any(region.any() for region in empty.values())


def test_a_stronger_unit_moves_at_least_as_much() -> None:
    for name in ("AU1", "AU12", "AU27"):
        areas = [
            int(action_unit_regions(FRONTAL, {name: intensity})[name].sum())
            for intensity in (0.2, 0.6, 1.0)
        ]
        assert areas[0] < areas[1] < areas[2]


def test_regions_of_a_frontal_face_are_nearly_mirrored(regions: dict) -> None:
    # Light, asymmetry and the grid's half pixel keep the mirror from being exact: compare mass.
    for name, region in regions.items():
        left, right = region[:, :24].sum(), region[:, 24:].sum()
        assert 0.4 < left / right < 2.5, name


def test_smile_lifts_the_mouth_corners_and_depressor_lowers_them() -> None:
    def corner_row(units: dict[str, float]) -> float:
        mouth = face_parts(FaceSpec(Identity(), units))["mouth"]
        rows, columns = np.nonzero(mouth)
        return float(rows[columns <= columns.min() + 1].mean())

    assert corner_row({"AU12": 1.0}) < corner_row({}) - 1 < corner_row({"AU15": 1.0}) - 1


def test_jaw_drop_opens_a_dark_mouth() -> None:
    def darkest(units: dict[str, float]) -> float:
        image = render_image(FaceSpec(Identity(), units), noise=False)
        return float(np.sort(image[36:46, 18:30].ravel())[:15].mean())

    assert darkest({"AU25": 1.0, "AU27": 1.0}) < darkest({}) - 40


def test_closed_eyes_hide_the_eyeballs() -> None:
    area = face_parts(FRONTAL)["eyes"].sum()
    assert face_parts(FaceSpec(Identity(), {"AU43": 1.0}))["eyes"].sum() < 0.6 * area
    assert face_parts(FaceSpec(Identity(), {"AU5": 1.0}))["eyes"].sum() > area


def test_face_parts_lie_where_fer_2013_has_them() -> None:
    parts = face_parts(FRONTAL)
    rows = {name: float(np.nonzero(mask)[0].mean()) for name, mask in parts.items()}
    assert rows["brows"] == pytest.approx(13.5, abs=1.5)
    assert rows["eyes"] == pytest.approx(17.5, abs=1.5)
    assert rows["mouth"] == pytest.approx(37.0, abs=1.5)
    assert rows["eyes"] < rows["nose"] < rows["mouth"]
    assert not (parts["eyes"] & parts["mouth"]).any()


def test_render_returns_only_active_units_as_regions() -> None:
    face = render(random_spec(2, "happy"))
    active = {name for name, intensity in face.action_units.items() if intensity > 0}
    assert set(face.regions) == active
    assert face.image.dtype == np.uint8
    assert face.image.shape == (48, 48)
    assert face.vector.tolist() == pytest.approx(list(face.action_units.values()))


def test_yaw_carries_the_nose_towards_the_turn() -> None:
    def nose_column(yaw: float) -> float:
        spec = FaceSpec(Identity(), pose=Pose(yaw=yaw))
        return float(np.nonzero(face_parts(spec)["nose"])[1].mean())

    assert nose_column(-15) + 1 < nose_column(0) < nose_column(15) - 1


def test_yaw_is_undone_to_the_turned_face() -> None:
    # x = u cos + z sin with the parallax depth z must give the picture's x back.
    from fermodels.data.synthetic.frame import PIVOT, _parallax, _unturned, _upright

    pose, who = Pose(yaw=18.0, pitch=-7.0), Identity()
    x, y = _upright(pose)
    u, v = _unturned(x, y, pose, who)
    depth = _parallax(u, v, who)
    yaw, pitch = np.deg2rad(18.0), np.deg2rad(-7.0)
    face = np.abs(u) < 12
    assert np.abs(u * np.cos(yaw) + depth * np.sin(yaw) - x)[face].max() < 0.35
    back = PIVOT[0] + (v - PIVOT[0]) * np.cos(pitch) + depth * np.sin(pitch)
    assert np.abs(back - y)[face].max() < 0.35


def test_skin_never_folds_over_itself_at_full_intensity() -> None:
    for name in AU_NAMES:
        frame = face_frame(FaceSpec(Identity(), {name: 1.0}))
        assert (np.diff(frame.v0, axis=0) > 0).all(), name


def test_normals_of_a_tilted_plane_are_exact() -> None:
    x, y = pixel_grid()
    nx, ny, nz = normals((0.5 * x - 0.25 * y).astype(np.float32))
    expected = np.array([-0.5, 0.25, 1.0]) / np.sqrt(0.25 + 0.0625 + 1)
    for got, want in zip((nx, ny, nz), expected, strict=True):
        assert np.abs(got - want).max() < 1e-4


def test_a_post_casts_its_shadow_away_from_the_light() -> None:
    x, y = pixel_grid()
    post = 5.0 * bump(x, y, (24.0, 24.0), (0.8, 0.8))
    blocked = shadow(post, light_direction(Light(azimuth=60.0, elevation=0.0)), 0.0)
    left, right = blocked[:, : FINE // 2].sum(), blocked[:, FINE // 2 :].sum()
    assert left > 5 * right


def test_area_average_equals_the_loop() -> None:
    image = np.random.default_rng(0).random((FINE, FINE)).astype(np.float32)
    step = FINE // 48
    slow = [
        [image[r * step : (r + 1) * step, c * step : (c + 1) * step].mean() for c in range(48)]
        for r in range(48)
    ]
    assert np.abs(average(image) - np.array(slow)).max() < 1e-6


def test_ramp_and_crease_meet_their_end_points() -> None:
    assert ramp(np.array([-2.0, 0.0, 2.0], np.float32), 1.0).tolist() == [0.0, 0.5, 1.0]
    x, y = np.meshgrid(np.arange(5, dtype=np.float32), np.arange(5, dtype=np.float32))
    line = crease(x, y, [(0.0, 2.0), (4.0, 2.0)], 1.0)
    assert np.allclose(line[2], 1.0)
    assert np.allclose(line[1], np.exp(-0.5))


def test_grey_levels_stand_near_those_of_fer_2013() -> None:
    # FER-2013's training faces: mean 129, deviation within a face 54 (measured).
    images = np.stack([render_image(random_spec(s)) for s in range(900, 960)]).astype(float)
    assert 100 < images.mean() < 145
    assert 42 < images.std(axis=(1, 2)).mean() < 66


def test_synthetic_faces_are_balanced_and_keep_their_specs() -> None:
    made = synthetic_faces(2, seed=1)
    assert np.bincount(made.faces.labels).tolist() == [2] * 7
    assert made.action_units.shape == (14, len(AU_NAMES))
    assert made.action_units.dtype == np.float32
    assert len(set(made.faces.ids)) == 14
    for row in (0, 5, 13):
        assert np.array_equal(render_image(made.spec(row)), made.faces.images[row])
    other = synthetic_faces(2, seed=1, split="test")
    assert not set(other.seeds) & set(made.seeds)


def test_a_face_takes_under_a_fifteenth_of_a_second_of_processor_time() -> None:
    spec = random_spec(0)
    render_image(spec)
    start = time.process_time()
    for _ in range(5):
        render_image(spec)
    assert (time.process_time() - start) / 5 < 1 / 15
