"""Progress bars that suit where they are shown."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

__all__ = ["progress_bar"]


def progress_bar(total: int, description: str, *, done: int = 0, unit: str = "step", hidden: bool = False) -> tqdm[Any]:
    """Progress bar: live in a terminal or notebook, a line a half-minute in a log, silent in a batch-run notebook.

    Parameters
    ----------
    total, done : int
        Number of units in all, and of those done before.
    description : str
        What is being done.
    unit : str
        What is counted.
    hidden : bool
        Show nothing: for all but one of several processes that do the same.
    """
    live = sys.stderr.isatty() or _in_notebook()
    return tqdm(
        total=total,
        initial=done,
        desc=description,
        unit=unit,
        disable=hidden or _runs_as_batch(),
        mininterval=0.5 if live else 30.0,
        maxinterval=10.0 if live else 30.0,
        ascii=not live,
        dynamic_ncols=live,
    )


def _kernel() -> Any:
    """The Jupyter kernel this process is, or None."""
    if "IPython" not in sys.modules:
        return None
    shell = sys.modules["IPython"].get_ipython()
    return getattr(shell, "kernel", None)


def _in_notebook() -> bool:
    return _kernel() is not None


def _runs_as_batch() -> bool:
    """True in a kernel whose client cannot answer questions: nobody is there to watch a bar."""
    kernel = _kernel()
    return kernel is not None and not getattr(kernel, "_allow_stdin", True)
