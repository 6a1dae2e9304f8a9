"""From a specification to a grey 48x48 face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fermodels.data.synthetic import hair as hairdresser
from fermodels.data.synthetic.eyes import Eyes, draw_eyes
from fermodels.data.synthetic.frame import Frame, face_frame
from fermodels.data.synthetic.head import face_height, outline
from fermodels.data.synthetic.identity import Identity
from fermodels.data.synthetic.mouth import Mouth, draw_mouth
from fermodels.data.synthetic.raster import Array, average, blur, bump, ramp, smooth_noise
from fermodels.data.synthetic.shading import shade
from fermodels.data.synthetic.spec import Camera, FaceSpec, Light

SCLERA, TONGUE, CAVITY = 0.38, 0.12, 0.012


def render_levels(spec: FaceSpec, *, noise: bool = True) -> Array:
    """Return grey levels before rounding, float32 (48, 48) in 0..255."""
    units, who = dict(spec.action_units), spec.identity
    frame = face_frame(spec)
    streaks = hairdresser.strands(frame, who)
    eyes, mouth = draw_eyes(frame, who, spec.pose, units), draw_mouth(frame, who, units)
    radius = outline(frame, who)
    height, cuts = face_height(frame, who, units, eyes, mouth, radius)
    picture = _behind(frame, spec, streaks)
    face = _face(frame, who, spec.light, eyes, mouth, height, cuts)
    picture = _over(picture, face, ramp(1.0 - radius, 0.03))
    picture = _hair_and_glasses(picture, frame, spec, streaks)
    return _photograph(picture, spec.light, spec.camera, noise)


def render_image(spec: FaceSpec, *, noise: bool = True) -> NDArray[np.uint8]:
    """Return the face as uint8 (48, 48)."""
    return np.rint(render_levels(spec, noise=noise)).astype(np.uint8)


def _over(below: Array, above: Array | float, opacity: Array) -> Array:
    out: Array = below + (above - below) * opacity
    return out


def _skin_albedo(frame: Frame, who: Identity, eyes: Eyes, mouth: Mouth, cuts: Array) -> Array:
    rng = np.random.default_rng([who.seed, 7])
    x, v = frame.side, frame.v0
    mottle = 1.0 + 0.035 * smooth_noise(rng, 9, 9) + 0.02 * smooth_noise(rng, 24, 24)
    tone = 1.0 - 0.04 * bump(x, v, (9.0, 27.0), (3.5, 3.0)) - 0.06 * bump(x, v, (0, 28), (3, 2.5))
    tone -= (0.3 + 0.15 * who.age) * bump(x, v, (7.2, 16.9), (4.0, 2.2))
    tone -= 0.16 * ramp(9.0 - v, 9.0)
    skin: Array = who.skin * mottle * tone
    skin = _over(skin, who.hair + 0.3 * who.skin, hairdresser.beard(frame, who))
    lips = np.maximum(mouth.upper_lip, mouth.lower_lip)
    skin = _over(skin, who.skin * who.lip_albedo * (1.0 - 0.25 * mouth.upper_lip), 0.9 * lips)
    nostril = bump(x, v, (0.47 * who.nose_width, who.nose_tip + 1.75), (0.20 * who.nose_width, 0.5))
    skin = skin * (1.0 - 0.8 * nostril) * (1.0 - 0.3 * np.clip(cuts, 0.0, 1.0))
    skin = skin * (1.0 - 0.85 * mouth.line) * (1.0 - 0.55 * eyes.crease)
    skin = _over(skin, who.hair * 0.5 + 0.06 * who.skin, eyes.brow)
    out: Array = skin * (1.0 - 0.92 * np.clip(eyes.lash, 0.0, 1.0))
    return out


def _face(
    frame: Frame, who: Identity, light: Light, eyes: Eyes, mouth: Mouth,
    height: Array, cuts: Array,
) -> Array:  # fmt: skip
    lips = np.maximum(mouth.upper_lip, mouth.lower_lip)
    oily = 0.6 + 0.5 * bump(frame.side, frame.v0, (0, 25), (4, 7)) + 0.5 * lips
    diffuse, shine = shade(height, light, oily * (1.0 - eyes.brow))
    skin = _skin_albedo(frame, who, eyes, mouth, cuts) * diffuse + 0.16 * shine
    soft = blur(diffuse, 0.8)
    ball = SCLERA * (0.6 + 0.9 * who.skin) * eyes.shade
    ball = _over(ball, who.iris, eyes.iris)
    ball = _over(ball, 0.012, eyes.pupil) * soft + 0.75 * light.key * eyes.glint
    cavity = CAVITY + (TONGUE - CAVITY) * mouth.tongue * 0.8
    tooth = (0.48 + 0.55 * who.skin) * (0.35 + 0.65 * mouth.depth)
    shown = _over(cavity, tooth, mouth.teeth)
    face = _over(skin, ball, eyes.opening)
    return _over(face, shown * soft, mouth.opening)


def _behind(frame: Frame, spec: FaceSpec, streaks: Array) -> Array:
    """Background, hair behind the neck, shoulders, neck and ears."""
    who, light, camera = spec.identity, spec.light, spec.camera
    rng = np.random.default_rng([camera.seed, 8])
    picture = _background(frame, camera, rng) / np.float32(light.exposure)
    x, y = frame.head_x, frame.head_y
    hair = who.hair * hairdresser.hair_shade(frame, who, streaks) * (light.ambient + 0.35)
    picture = _over(picture, hair * 0.8, hairdresser.back_hair(frame, who))
    cloth = float(rng.choice([0.03, 0.1, 0.3, 0.6]))
    neck = 10.5 + 0.02 * np.maximum(y - 40.0, 0.0) ** 2
    roundness = np.sqrt(np.clip(1.0 - (x / (neck + 1.0)) ** 2, 0.05, 1.0))
    under_chin = 0.30 + 0.25 * ramp(y - who.chin - 4.0, 3.5)
    neck_light = who.skin * roundness * under_chin * (light.key * 0.5 + light.ambient)
    picture = _over(picture, neck_light, ramp(neck - np.abs(x), 0.5) * ramp(y - 34.0, 2.0))
    shoulder = ramp(y - 49.0 - 0.10 * np.abs(np.abs(x) - 10.0), 0.7)
    picture = _over(picture, cloth * (light.key * 0.6 + light.ambient), shoulder)
    return _ears(picture, frame, who, light)


def _background(frame: Frame, camera: Camera, rng: np.random.Generator) -> Array:
    """Out-of-focus surroundings: smooth blotches cut by a few soft edges."""
    log_level = 0.8 * smooth_noise(rng, 2, 2) + 0.5 * smooth_noise(rng, 6, 5)
    for _ in range(int(rng.integers(0, 5))):
        angle, offset = rng.uniform(0.0, np.pi), rng.uniform(-24.0, 24.0)
        across = frame.head_x * np.float32(np.cos(angle)) + (frame.head_y - 24.0) * np.float32(
            np.sin(angle)
        )
        edge = ramp(across - np.float32(offset), float(rng.uniform(0.4, 3.0)))
        log_level = log_level + np.float32(rng.normal(0.0, 1.3)) * edge
    out: Array = np.float32(camera.background) * np.exp(np.float32(camera.clutter) * log_level)
    return out


def _ears(picture: Array, frame: Frame, who: Identity, light: Light) -> Array:
    x, v = np.abs(frame.u), frame.v
    radius = np.hypot((x - who.face_width - 0.3 + 0.06 * (v - 21)) / 2.0, (v - 21.5) / 5.0)
    bowl = 0.55 + 0.35 * ramp(radius - 0.55, 0.3) - 0.25 * ramp(radius - 0.9, 0.1)
    left_or_right = 1.0 + 0.4 * np.sign(frame.u) * np.sin(np.deg2rad(light.azimuth))
    level = who.skin * bowl * left_or_right * (0.55 * light.key + light.ambient)
    return _over(picture, level, ramp(1.0 - radius, 0.12))


def _hair_and_glasses(picture: Array, frame: Frame, spec: FaceSpec, streaks: Array) -> Array:
    who, light = spec.identity, spec.light
    cover = hairdresser.front_hair(frame, who, streaks)
    # Hair shades the skin just below it.
    picture = picture * (1.0 - 0.35 * blur(cover, 0.9) * (1.0 - cover))
    turn = 1.0 + 0.5 * np.clip(frame.head_x / 18.0, -1, 1) * np.sin(np.deg2rad(light.azimuth))
    strength = light.ambient + 0.6 * light.key
    hair = who.hair * hairdresser.hair_shade(frame, who, streaks) * strength * turn
    picture = _over(picture, hair, cover)
    return _over(picture, 0.03, hairdresser.glasses(frame, who))


def _photograph(picture: Array, light: Light, camera: Camera, noise: bool) -> Array:
    """Expose, blur as a lens does, average to pixels, apply a tone curve, add sensor noise."""
    linear = average(blur(picture * np.float32(light.exposure), camera.blur))
    level = np.clip(linear, 0.0, None) ** np.float32(1 / 2.2)
    level = 0.53 + (level - 0.58) * light.contrast
    # A shoulder keeps highlights from burning out, as film and sensors' curves do.
    level = np.where(level > 0.8, 0.8 + 0.2 * np.tanh((level - 0.8) / 0.2), level)
    grey = 255.0 * level
    if noise:
        rng = np.random.default_rng([camera.seed, 9])
        grey = grey + camera.noise * rng.standard_normal(grey.shape)
    out: Array = np.clip(grey, 0.0, 255.0).astype(np.float32)
    return out
