"""METHODS: every way to attribute a prediction. One dict feeds pickers, docs and tests."""

from __future__ import annotations

from collections.abc import Callable

from fermodels.explain import cams, hooked, methods
from fermodels.explain.conductance import internal_influence, layer_conductance
from fermodels.explain.deep_lift import deep_lift, deep_lift_shap
from fermodels.explain.folding import quicken
from fermodels.explain.lrp import lrp
from fermodels.explain.method import SEED, describe
from fermodels.explain.method import Method as Method
from fermodels.explain.method import Number as Number
from fermodels.explain.method import Option as Option
from fermodels.explain.occlusion import occlusion
from fermodels.explain.packed import pack
from fermodels.explain.path import integrated_gradients
from fermodels.explain.question import Parts, Question
from fermodels.explain.regions import feature_ablation
from fermodels.explain.score_cam import score_cam
from fermodels.explain.surrogate import kernel_shap, lime

_CLIP = "Show only what speaks for the class (ReLU)."
_STEPS = Option(50, 2, 1000, "Points on the path at first, somewhat denser near the baseline.")
_TOLERANCE = Option(0.025, 0.0, 1.0, "Path error below which no point is added.")
_REFINE = Option(6.0, 0.0, 20.0, "Points that may be added, as a multiple of steps.")
_SEGMENTS = Option(36, 4, 144, "About how many patches the face is cut into.")
_FOLLOW = Option(True, False, True, "Cut along the face's edges (SLIC), not into squares.")
_SAMPLES = Option(256, 8, 8192, "Partly covered faces to ask about.")


def _map_of_layer(
    run: Callable[[Question], Parts], title: str, source: str, signed: bool = False
) -> Method:
    """Describe a method that weighs one layer's maps; unsigned ones clip what speaks against."""
    return describe(
        run, title, source, needs_layer=True, conv_only=True, smooth=True, prepare=pack,
        signed=signed, relu=Option(not signed, False, True, _CLIP),
    )  # fmt: skip


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        describe(
            integrated_gradients,
            "Integrated gradients",
            "Sundararajan et al. 2017, arXiv 1703.01365, eq. 1",
            uses_baseline=True,
            complete=True,
            smooth=True,
            steps=_STEPS,
            tolerance=_TOLERANCE,
            refine=_REFINE,
            passes_faces=True,
            prepare=quicken,
        ),
        describe(
            methods.saliency,
            "Saliency",
            "Simonyan et al. 2014, arXiv 1312.6034, section 3",
            signed=False,
            magnitude=True,
            smooth=True,
            prepare=pack,
        ),
        describe(
            methods.input_x_gradient,
            "Input x gradient",
            "Shrikumar et al. 2016, arXiv 1605.01713",
            uses_baseline=True,
            smooth=True,
            prepare=pack,
        ),
        describe(
            methods.smoothgrad,
            "SmoothGrad",
            "Smilkov et al. 2017, arXiv 1706.03825, section 2",
            samples=Option(25, 1, 1000, "Noisy copies of the face."),
            noise=Option(0.15, 0.0, 1.0, "Noise, as a share of the face's brightness range."),
            seed=SEED,
            prepare=quicken,
        ),
        describe(
            methods.gradient_shap,
            "GradientSHAP",
            "Lundberg & Lee 2017, arXiv 1705.07874; Erion et al. 2021, arXiv 1906.10670, eq. 3",
            uses_baseline=True,
            complete=True,
            averages=True,
            samples=Option(50, 1, 1000, "Random points between baseline and noisy face."),
            noise=Option(0.0, 0.0, 1.0, "Noise on the face; 1 is black to white."),
            seed=SEED,
            prepare=quicken,
        ),
        describe(
            deep_lift,
            "DeepLIFT",
            "Shrikumar et al. 2017, arXiv 1704.02685, section 3.5.1 (rescale rule)",
            uses_baseline=True,
            complete=True,
            smooth=True,
        ),
        describe(
            deep_lift_shap,
            "DeepLIFT SHAP",
            "Lundberg & Lee 2017, arXiv 1705.07874, section 4.2",
            uses_baseline=True,
            complete=True,
            averages=True,
            smooth=True,
        ),
        describe(
            lrp,
            "LRP",
            "Bach et al. 2015, doi 10.1371/journal.pone.0130140, eq. 58 and 60",
            conv_only=True,
            smooth=True,
            alpha=Option(1, 0, 4, "Weight of what excites, in conv layers; 0: epsilon rule."),
            epsilon=Option(1e-3, 0.0, 10.0, "What a unit keeps, in logits or activations."),
        ),
        describe(
            hooked.guided_backprop,
            "Guided backprop",
            "Springenberg et al. 2015, arXiv 1412.6806, section 3.4",
            smooth=True,
        ),
        describe(
            hooked.deconvolution,
            "Deconvolution",
            "Zeiler & Fergus 2014, arXiv 1311.2901, section 2.1",
            smooth=True,
        ),
        _map_of_layer(
            cams.grad_cam, "Grad-CAM", "Selvaraju et al. 2017, arXiv 1610.02391, eq. 1-2"
        ),
        _map_of_layer(
            cams.grad_cam_plus_plus,
            "Grad-CAM++",
            "Chattopadhay et al. 2018, arXiv 1710.11063, eq. 19",
        ),
        _map_of_layer(
            cams.hires_cam,
            "HiResCAM",
            "Draelos & Carin 2020, arXiv 2011.08891, eq. 3",
            signed=True,
        ),
        _map_of_layer(
            cams.layer_cam, "LayerCAM", "Jiang et al. 2021, doi 10.1109/TIP.2021.3089943"
        ),
        describe(
            score_cam,
            "Score-CAM",
            "Wang et al. 2020, arXiv 1910.01279, algorithm 1",
            signed=False,
            needs_layer=True,
            uses_baseline=True,
            conv_only=True,
            channels=Option(64, 1, 4096, "Channels to ask about: those that vary most."),
            relu=Option(True, False, True, _CLIP),
        ),
        describe(
            cams.guided_grad_cam,
            "Guided Grad-CAM",
            "Selvaraju et al. 2017, arXiv 1610.02391, section 3.2",
            needs_layer=True,
            conv_only=True,
            smooth=True,
        ),
        describe(
            layer_conductance,
            "Layer conductance",
            "Dhamdhere et al. 2018, arXiv 1805.12233 (conductance of a hidden unit)",
            needs_layer=True,
            uses_baseline=True,
            complete=True,
            conv_only=True,
            smooth=True,
            steps=_STEPS,
            tolerance=_TOLERANCE,
            refine=_REFINE,
        ),
        describe(
            internal_influence,
            "Internal influence",
            "Leino et al. 2018, arXiv 1802.03788, definition 1",
            needs_layer=True,
            uses_baseline=True,
            conv_only=True,
            smooth=True,
            steps=_STEPS,
        ),
        describe(
            occlusion,
            "Occlusion",
            "Zeiler & Fergus 2014, arXiv 1311.2901, section 4.2",
            uses_baseline=True,
            patch=Option(8, 1, 48, "Side of the square, in pixels."),
            stride=Option(4, 1, 48, "Step of the square, in pixels; at most its side."),
            prepare=quicken,
        ),
        describe(
            feature_ablation,
            "Face parts",
            "Covert et al. 2021, arXiv 2011.14878 (removing features, one group at a time)",
            uses_baseline=True,
            prepare=quicken,
        ),
        describe(
            kernel_shap,
            "KernelSHAP",
            "Lundberg & Lee 2017, arXiv 1705.07874, theorem 2",
            uses_baseline=True,
            complete=True,
            segments=_SEGMENTS,
            follow=_FOLLOW,
            samples=_SAMPLES,
            seed=SEED,
            prepare=quicken,
        ),
        describe(
            lime,
            "LIME",
            "Ribeiro et al. 2016, arXiv 1602.04938, eq. 1-2",
            uses_baseline=True,
            segments=_SEGMENTS,
            follow=_FOLLOW,
            samples=_SAMPLES,
            ridge=Option(1.0, 0.0, 1000.0, "Pull of all values towards zero."),
            seed=SEED,
            prepare=quicken,
        ),
    )
}
"""Attribution methods by name, in the order a picker shows them."""
