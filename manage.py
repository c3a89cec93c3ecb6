#!/usr/bin/env python
"""Django's commands for this project: `python manage.py help` lists them."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    folder = str(Path(__file__).resolve().parent)
    if folder not in sys.path:  # with PYTHONSAFEPATH or -P, Python does not add it
        sys.path.insert(0, folder)
    from gpumon_site.cli import manage

    sys.exit(manage(sys.argv))
