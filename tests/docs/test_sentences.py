"""Where every figure in the README, in docs and in the rooms' standing texts comes from.

SOURCES is the table "sentence -> source -> true": a pattern with the figures as groups, the files
in which it stands, and the code that gives the figures. A figure that no line of it covers fails.
Not covered because generated: what stands between the marks of `docs.results`, and the filled-in
parts of f-strings. Names are no figures (FER-2013, Figure 9, a year behind an author), nor are 0
and 1, the ends of scales. ``python -m tests.docs.test_sentences`` prints the table.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fermodels.data.dataset import FACE_SIDE
from fermodels.data.emotions import EMOTIONS
from fermodels.data.photos.decode import COSTLY, PhotoLimits
from fermodels.evaluation.label_audit import THRESHOLD
from fermodels.evaluation.metrics import Z_95
from fermodels.evaluation.paired_tests import bootstrap_difference
from fermodels.nets.variants import VARIANTS
from fermodels.xai.inspect import filters
from studio import deploy, predictions
from studio.classify_tab import app, reading, uploads
from tests.toys import ROOT
from train.evidence import LOOKED_AT

MB = 1024 * 1024
SIDE = str(FACE_SIDE)
LIMITS = PhotoLimits()


@dataclass(frozen=True)
class Source:
    """One sentence, and what makes it true."""

    pattern: str
    """Its words; every figure in it is a group."""
    files: tuple[str, ...]
    """Where it stands."""
    source: str
    """What the figures are taken from, for a reader."""
    figures: Callable[[], tuple[str, ...]]
    """The groups as the source gives them."""


def default(function: Callable[..., object], name: str) -> float:
    """Return a parameter's default."""
    return float(inspect.signature(function).parameters[name].default)


def python() -> str:
    """Return the oldest Python that pyproject allows."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    return str(re.search(r"\d+\.\d+", wanted)[0])  # type: ignore[index]


def dockerfile(pattern: str) -> str:
    return str(re.search(pattern, (ROOT / "Dockerfile").read_text())[1])  # type: ignore[index]


def percent(share: float) -> str:
    return f"{100 * share:g}"


def confidence() -> str:
    """Return the level of our intervals, from the normal quantile that makes them."""
    return f"{100 * math.erf(Z_95 / math.sqrt(2)):.3g}"


SOURCES = (
    Source(r"\((\d+)x(\d+) grey faces", ("README.md",), "FACE_SIDE", lambda: (SIDE, SIDE)),
    Source(
        r"(\d+) × (\d+) (?:grey )?pixels",
        ("pages/classify.py", "pages/dataset.py", "pages/home.py"),
        "FACE_SIDE",
        lambda: (SIDE, SIDE),
    ),
    Source(r"\((\d+)x(\d+)\)", ("studio/networks.py",), "FACE_SIDE", lambda: (SIDE, SIDE)),
    Source(r"Python (\d+\.\d+) or newer", ("README.md",), "pyproject.toml", lambda: (python(),)),
    Source(r"(\d+) rows of (\d+) numbers", ("docs/api.md",), "FACE_SIDE", lambda: (SIDE, SIDE)),
    Source(
        r"\(1 to (\d+)\), `",
        ("docs/api.md",),
        "photo_reading.MAX_PHOTOS",
        lambda: (str(reading.MAX_PHOTOS),),
    ),
    Source(
        r"pass 1 to (\d+) picture files",
        ("studio/classify_tab/answers.py",),
        "photo_reading.MAX_PHOTOS",
        lambda: (str(reading.MAX_PHOTOS),),
    ),
    Source(
        r"One photo: (\d+) MB, (\d+) megapixels \(WebP (\d+), HEIC (\d+)\), at least (\d+) pixels",
        ("docs/api.md",),
        "photo_reading.LIMITS",
        lambda: (
            f"{reading.LIMITS.max_bytes / MB:g}",
            f"{reading.LIMITS.max_pixels / 1e6:g}",
            str(reading.LIMITS.max_memory // COSTLY["WEBP"] // 10**6),
            str(reading.LIMITS.max_memory // COSTLY["HEIF"] // 10**6),
            str(reading.LIMITS.min_side),
        ),
    ),
    Source(
        r"One upload request: (\d+) MB",
        ("docs/api.md",),
        "uploads.MAX_UPLOAD",
        lambda: (f"{uploads.MAX_UPLOAD / MB:g}",),
    ),
    Source(
        r"let bodies through up to\s+(\d+) MB",
        ("docs/deploy.md",),
        "uploads.MAX_UPLOAD",
        lambda: (f"{uploads.MAX_UPLOAD / MB:g}",),
    ),
    Source(
        r"(Two) photos, and one\s+request of many, are\s+read at a time and (\d+)\s+wait",
        ("docs/api.md",),
        "app.AT_ONCE, QUEUE_LENGTH",
        lambda: ({2: "Two"}[app.AT_ONCE], str(app.QUEUE_LENGTH)),
    ),
    Source(
        r"user inside is uid (\d+)",
        ("docs/deploy.md",),
        "Dockerfile",
        lambda: (dockerfile(r"--uid (\d+)"),),
    ),
    Source(r"on port (\d+)", ("docs/deploy.md",), "deploy.PORT", lambda: (str(deploy.PORT),)),
    Source(
        r"upload would be refused \((\d+)\)",
        ("docs/deploy.md",),
        "HTTP's Forbidden, which Streamlit answers without its cookie",
        lambda: ("403",),
    ),
    Source(
        r"Creating either kind (needs a paid plan)",
        ("docs/deploy.md",),
        "hub-docs@242f4a1 docs/hub/spaces-overview.md, spaces-sdks-static.md; as of 2026",
        lambda: ("needs a paid plan",),
    ),
    Source(
        r"free account in good standing may host (two) Gradio Spaces on ZeroGPU",
        ("docs/deploy.md",),
        "hub-docs@242f4a1 docs/hub/spaces-gpus.md; as of 2026",
        lambda: ("two",),
    ),
    Source(
        r"AI Act, Article (5\(1\)\(f\))",
        ("studio/rooms/home.py",),
        "Regulation (EU) 2024/1689: places of work and education, from biometric data, but for "
        "medical or safety reasons",
        lambda: ("5(1)(f)",),
    ),
    Source(
        r"told \(Article (50\(3\))\)",
        ("studio/rooms/home.py",),
        "Regulation (EU) 2024/1689: who is exposed to emotion recognition is informed",
        lambda: ("50(3)",),
    ),
    Source(
        r"(?:its|with|Intervals are) (\d+)% (?:Wilson )?interval",
        ("pages/home.py", "studio/rooms/compare/tables.py"),
        "evaluate.Z_95",
        lambda: (confidence(),),
    ),
    Source(
        r"^(\d+)% interval$",
        ("studio/rooms/compare/tables.py", "studio/rooms/training.py"),
        "evaluate.Z_95, and the default level of the paired bootstrap",
        lambda: (
            (confidence(),)
            if default(bootstrap_difference, "level") == 0.95
            else ("another level",)
        ),
    ),
    Source(
        r"accuracy rise from 1/(\d+)",
        ("pages/training.py",),
        "EMOTIONS",
        lambda: (str(len(EMOTIONS)),),
    ),
    Source(
        r"fall from ln (\d+)", ("pages/training.py",), "EMOTIONS", lambda: (f"{len(EMOTIONS)}",)
    ),
    Source(
        r"about ln (\d+) ≈ (\d+\.\d+)",
        ("studio/rooms/training.py",),
        "EMOTIONS",
        lambda: (str(len(EMOTIONS)), f"{math.log(len(EMOTIONS)):.3f}"),
    ),
    Source(
        r"(\d+) by (\d+) weights are too few",
        ("pages/filters.py",),
        "VARIANTS' first layers",
        lambda: tuple({str(v.config.conv[0].kernel) for v in VARIANTS.values()}) * 2,
    ),
    Source(
        r"waves longer than (\d+) pixels",
        ("studio/rooms/filters.py",),
        "filters.LOW_FREQUENCY",
        lambda: (f"{1 / filters.LOW_FREQUENCY:g}",),
    ),
    Source(
        r"norm below (\d+)% of the largest. Copy: a cosine above (\d\.\d+) with an earlier filter, "
        r"or below -(\d\.\d+)",
        ("studio/rooms/filters.py",),
        "defaults of filters.dead_filters and duplicate_filters",
        lambda: (
            percent(default(filters.dead_filters, "threshold")),
            *[f"{default(filters.duplicate_filters, 'threshold'):g}"] * 2,
        ),
    ),
    Source(
        r"pixel correlation above (\d\.\d+)",
        ("studio/rooms/dataset/filters.py",),
        "duplicates.THRESHOLD",
        lambda: (f"{THRESHOLD:g}",),
    ),
    Source(
        r"a set of at most ([\d,]+) faces",
        ("studio/rooms/dataset/filters.py",),
        "results.AT_ONCE",
        lambda: (f"{predictions.AT_ONCE:,}",),
    ),
    Source(
        r"[Oo]n (\d+) validation faces",
        ("studio/components/epoch_slider.py", "studio/rooms/training.py"),
        "train.evidence.LOOKED_AT",
        lambda: (str(LOOKED_AT),),
    ),
    Source(
        r"faces of (\d+) pixels and more",
        ("studio/classify_tab/html.py",),
        "dlib's frontal face detector finds faces of 80 pixels and larger (its face_detector_ex)",
        lambda: ("80",),
    ),
)

NAMES = re.compile(
    r"FER-?2013|FER\+|arXiv:? ?\d+\.\d+|\[arXiv[^\]]*\]|ijtsrd\d+|Figures? [\d, and]+\d|Figure \d+"
    r"|Tables? \d+(?: and \d+)?|et al\. \d{4}|et\s+al\. \d{4}|kill -9|hub-docs@\w+|sha256|R2|L2"
    r"|bfloat16|(?<![\d.])[01](?![\d.,]\d)%?(?!\d)|\b100%"
)
"""What has digits and is no figure: names, and the ends of scales."""

NUMBER = re.compile(r"\d[\d,.]*\d|\d")
CODE = ("studio/snippets.py", "studio/classify_tab/theme.py", "studio/components/download.py")
"""Files whose strings are code to be copied, or styles."""


def prose_of(path: Path) -> str:
    """Return a Markdown page without code, addresses and what is generated."""
    text = path.read_text("utf-8")
    text = re.sub(r"<!-- (\w+): python.*?<!-- end of \1 -->", "", text, flags=re.DOTALL)
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", text)


def strings_of(path: Path) -> Iterator[str]:
    """Return a module's texts of three words and more, with ``{}`` for what is filled in."""
    tree = ast.parse(path.read_text("utf-8"))
    spoken: set[int] = set()
    for node in ast.walk(tree):  # docstrings, and the parts of f-strings
        body = getattr(node, "body", None)
        for line in body if isinstance(body, list) else ():
            if isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant):
                spoken.add(id(line.value))
        if isinstance(node, ast.JoinedStr):
            spoken |= {id(part) for value in node.values for part in ast.walk(value)}
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in spoken
        ):
            yield node.value


def standing_texts() -> Iterator[tuple[str, str]]:
    """Return file and text of everything that stands there whatever is asked."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        yield page.relative_to(ROOT).as_posix(), re.sub(r"`[^`]*`", "``", prose_of(page))
    for folder in ("pages", "studio"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name in CODE:
                continue
            for text in strings_of(path):
                words = len(re.findall(r"[A-Za-z]{2,}", text))
                if words >= 3 and not re.search(r"[;<]|rgba|px\b|==|=>", text):
                    yield name, text


def unsourced(name: str, text: str) -> list[str]:
    """Return the figures of a text that no line of SOURCES covers."""
    for source in SOURCES:
        if name in source.files:
            text = re.sub(source.pattern, " ", text)
    return NUMBER.findall(NAMES.sub(" ", text))


def searched(source: Source, name: str) -> list[tuple[str, ...]]:
    """Return the figures of every place in a file where a sentence stands."""
    path = ROOT / name
    texts = [prose_of(path)] if path.suffix == ".md" else list(strings_of(path))
    found = [re.findall(source.pattern, re.sub(r"`(?!`)", "`", text)) for text in texts]
    return [one if isinstance(one, tuple) else (one,) for hits in found for one in hits]


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.pattern[:50])
def test_figures_are_what_their_source_says(source: Source) -> None:
    for name in source.files:
        found = searched(source, name)
        assert found, f"{name} no longer says {source.pattern!r}: take the line out of SOURCES"
        for figures in found:
            assert figures == source.figures(), f"{name}, from {source.source}"


def test_every_figure_in_a_standing_text_has_a_source() -> None:
    missing = [
        f"{name}: {', '.join(found)} in {' '.join(text.split())[:160]!r}"
        for name, text in standing_texts()
        if (found := unsourced(name, text))
    ]
    assert not missing, "\n".join(["generate these, or give them a line in SOURCES:", *missing])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("fewer than 2 in 3 agree", ["2", "3"]),
        ("deep reaches 69.0% here", ["69.0"]),
        ("FER-2013's faces, Figure 10, from 0 to 1 (Guo et al. 2017)", []),
        ("a temperature of 2.09 fits 3,589 faces", ["2.09", "3,589"]),
    ],
)
def test_a_figure_typed_by_hand_is_noticed(text: str, found: list[str]) -> None:
    assert unsourced("README.md", text) == found


def table() -> str:
    """Return SOURCES as Markdown: sentence, where, source, whether it is true."""
    lines = ["| sentence | where | source | true |", "|---|---|---|---|"]
    for source in SOURCES:
        said = {figures for name in source.files for figures in searched(source, name)}
        true = "yes" if said == {source.figures()} else f"NO: {said}, {source.figures()}"
        words = source.pattern.replace("|", "\\|")
        lines.append(f"| `{words}` | {', '.join(source.files)} | {source.source} | {true} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
