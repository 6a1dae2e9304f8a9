"""FER models: what a face, a network and an explanation are.

Names are loaded when first used, so that ``import fermodels`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fermodels.data.dataset import FaceDataset as FaceDataset
    from fermodels.data.emotions import EMOTIONS as EMOTIONS
    from fermodels.data.photos.crop import read_photo as read_photo
    from fermodels.data.readers.discover import read_faces as read_faces
    from fermodels.nets.checkpoint import load as load
    from fermodels.nets.hog import hog as hog
    from fermodels.nets.variants import VARIANTS as VARIANTS
    from fermodels.xai.attribution.explain import explain as explain
    from fermodels.xai.attribution.registry import METHODS as METHODS
    from fermodels.xai.dream.dream import dream as dream
    from fermodels.xai.trust.judge import judge as judge
    from fermodels.xai.trust.verdict import Verdict as Verdict

__version__ = "0.1.0"

_HOMES = {
    "EMOTIONS": "fermodels.data.emotions",
    "FaceDataset": "fermodels.data.dataset",
    "read_faces": "fermodels.data.readers.discover",
    "read_photo": "fermodels.data.photos.crop",
    "METHODS": "fermodels.xai.attribution.registry",
    "explain": "fermodels.xai.attribution.explain",
    "dream": "fermodels.xai.dream.dream",
    "judge": "fermodels.xai.trust.judge",
    "Verdict": "fermodels.xai.trust.verdict",
    "load": "fermodels.nets.checkpoint",
    "hog": "fermodels.nets.hog",
    "VARIANTS": "fermodels.nets.variants",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name from its home on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fermodels' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
