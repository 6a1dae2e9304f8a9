"""Grey 48x48 faces of invented people, driven by FACS action units.

A parametric height map of a head is deformed by action units, coloured, lit and photographed.
The renderer therefore knows what no photograph tells: how strongly each unit is worn and which
pixels it moves.
"""

from fermodels.data.synthetic.action_units import ACTION_UNITS, AU_NAMES, ActionUnit
from fermodels.data.synthetic.dataset import SyntheticFaces, synthetic_faces
from fermodels.data.synthetic.emfacs import EMFACS, Prototype
from fermodels.data.synthetic.identity import Identity, random_identity
from fermodels.data.synthetic.regions import (
    PARTS,
    SyntheticFace,
    action_unit_regions,
    face_parts,
    render,
)
from fermodels.data.synthetic.render import render_image
from fermodels.data.synthetic.spec import Camera, FaceSpec, Light, Pose, random_spec

__all__ = [
    "ACTION_UNITS", "AU_NAMES", "EMFACS", "PARTS", "ActionUnit", "Camera", "FaceSpec", "Identity",
    "Light", "Pose", "Prototype", "SyntheticFace", "SyntheticFaces", "action_unit_regions",
    "face_parts", "random_identity", "random_spec", "render", "render_image", "synthetic_faces",
]  # fmt: skip
