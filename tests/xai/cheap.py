"""Options that make slow methods quick, where a test asks whether they run, not how well."""

from __future__ import annotations

CHEAP: dict[str, dict[str, float]] = {
    "integrated-gradients": {"steps": 6, "refine": 0.0},
    "smoothgrad": {"samples": 3},
    "gradient-shap": {"samples": 3},
    "occlusion": {"patch": 16, "stride": 16},
    "layer-conductance": {"steps": 6, "refine": 0.0},
    "internal-influence": {"steps": 6},
    "kernel-shap": {"segments": 9, "samples": 32},
    "lime": {"segments": 9, "samples": 32},
    "score-cam": {"channels": 4},
}
