"""The studio on the port a Gradio Space shows: Streamlit, and Gradio under ``/gradio``.

A Space of the Gradio SDK runs ``python app.py`` and frames port 7860; `studio.deploy` sends it.
Elsewhere: ``make studio``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PORT = os.environ.get("PORT", "7860")
FLAGS = (
    f"--server.port={PORT}",
    "--server.address=0.0.0.0",
    "--server.headless=true",
    # In the frame of another site the XSRF cookie is not kept: every upload would be refused.
    "--server.enableXsrfProtection=false",
)


def main() -> None:
    """Become the studio's server."""
    os.chdir(ROOT)
    os.environ.setdefault("FER_STUDIO_PUBLIC", "1")
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "studio" / "Home.py"), *FLAGS]
    os.execv(command[0], command)  # noqa: S606  (our own words; the process is to be the server)


if __name__ == "__main__":
    main()
