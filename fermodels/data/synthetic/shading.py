"""Light on a height map: Lambert with a soft terminator, shine, cast shadows, hollow darkening."""

from __future__ import annotations

import numpy as np

from fermodels.data.synthetic.raster import OVERSAMPLING, Array, blur, sample_shift
from fermodels.data.synthetic.spec import Light

SHADOW_REACH = (0.7, 1.3, 2.0, 3.0, 4.2, 5.6)
"""Distances towards the light at which something may stand in its way, pixels."""


def light_direction(light: Light) -> tuple[float, float, float]:
    """Return the unit vector to the key light: right, down, towards the camera."""
    azimuth, elevation = np.deg2rad(light.azimuth), np.deg2rad(light.elevation)
    return (
        float(np.sin(azimuth) * np.cos(elevation)),
        float(-np.sin(elevation)),
        float(np.cos(azimuth) * np.cos(elevation)),
    )


def normals(height: Array) -> tuple[Array, Array, Array]:
    """Return unit surface normals (right, down, towards the camera) of a height map in pixels."""
    dy, dx = np.gradient(height)
    dx, dy = dx * np.float32(OVERSAMPLING), dy * np.float32(OVERSAMPLING)
    inverse = 1.0 / np.sqrt(dx * dx + dy * dy + 1.0)
    return -dx * inverse, -dy * inverse, inverse


def shade(height: Array, light: Light, gloss: Array) -> tuple[Array, Array]:
    """Return diffuse light and shine on a height map.

    Args:
        height: (FINE, FINE), pixels of the finished face.
        light: key light, ambient light and softness.
        gloss: (FINE, FINE), factor on the shine.
    """
    nx, ny, nz = normals(height)
    lx, ly, lz = light_direction(light)
    wrap = 0.12 + 0.5 * light.softness
    facing = nx * np.float32(lx) + ny * np.float32(ly) + nz * np.float32(lz)
    diffuse = np.maximum(facing + wrap, 0.0) * np.float32(1.0 / (1.0 + wrap))
    lit = 1.0 - (0.8 - 0.6 * light.softness) * shadow(height, (lx, ly, lz), light.softness)
    hollow = np.clip(
        1.0 - 0.20 * (blur(height, 1.2) - height) - 0.09 * (blur(height, 3.5) - height), 0.45, 1.15
    )
    sky = 0.76 - 0.16 * ny
    total = (light.key * diffuse * lit + light.ambient * sky) * hollow
    half = np.array([lx, ly, lz + 1.0])
    half = (half / np.linalg.norm(half)).astype(np.float32)
    aligned = np.maximum(nx * half[0] + ny * half[1] + nz * half[2], 0.0)
    shine = light.specular * light.key * gloss * lit * (aligned**10)
    return total.astype(np.float32), shine.astype(np.float32)


def shadow(height: Array, towards: tuple[float, float, float], softness: float) -> Array:
    """Return 0..1: how much of the key light other parts of the face block."""
    lx, ly, lz = towards
    flat = float(np.hypot(lx, ly))
    blocked = np.zeros_like(height)
    if flat < 0.05:
        return blocked
    for reach in SHADOW_REACH:
        dx, dy = (round(reach * OVERSAMPLING * part / flat) for part in (lx, ly))
        above = sample_shift(height, dx, dy) - height - np.float32(reach * lz / flat)
        np.maximum(blocked, above * np.float32(1.0 / (0.35 + 0.12 * reach)), out=blocked)
    return blur(np.clip(blocked, 0.0, 1.0), 0.25 + 0.7 * softness)
