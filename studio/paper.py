"""The paper's own figures, as `fermodels.nets.paper` quotes them."""

from __future__ import annotations

from fermodels.nets.paper import CITATION, REPORTED, Reported, reported

__all__ = ["CITATION", "REPORTED", "Reported", "reported"]
