"""How many cores to use."""

from __future__ import annotations

import os

__all__ = ["available_cores"]


def available_cores() -> int:
    """Number of cores that work may be spread over.

    What ``OMP_NUM_THREADS`` says, as for the numerical libraries, if it is a positive number. Else the cores that this
    process has been given: fewer than the machine's where it is bound to some of them, or where a container grants
    less.
    """
    import joblib

    asked = os.environ.get("OMP_NUM_THREADS", "").strip()
    return int(asked) if asked.isdecimal() and int(asked) > 0 else int(joblib.cpu_count())
