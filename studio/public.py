"""A studio that strangers reach opens no file they name: the switch.

Set ``FER_STUDIO_PUBLIC=1`` wherever the address is not yours alone, as the container and
``app.py`` do.
"""

from __future__ import annotations

import os

VARIABLE = "FER_STUDIO_PUBLIC"


def is_public() -> bool:
    """Tell whether whoever started the studio expects visitors he does not know."""
    return os.environ.get(VARIABLE, "0") not in ("", "0")
