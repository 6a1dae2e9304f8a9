"""METRICS describe themselves, and nothing heavy is needed to read them."""

from __future__ import annotations

import subprocess
import sys

from fermodels.xai.trust.metrics import METRICS
from tests.toys import ROOT


def test_metrics_describe_themselves() -> None:
    for name, metric in METRICS.items():
        assert name == metric.name == name.lower()
        assert metric.title and len(metric.help) > 50 and metric.unit
        assert "arXiv" in metric.source, name


def test_scorecards_are_read_without_torch() -> None:
    code = (
        "import sys\n"
        "from fermodels.xai.trust import metrics, planted_cue_record, scorecard_record\n"
        "scorecard_record.read('none')\n"
        "print([name for name in ('torch', 'captum', 'skimage') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
