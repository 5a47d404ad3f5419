"""What the stored studies share: items that are made once, one thread to a process, and where a result comes from."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from helpers.progress import progress_bar
from helpers.runs import atomic_path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.project import ROOT

__all__ = ["digest", "make_missing", "one_thread", "provenance", "write_result"]


def one_thread() -> None:
    """Keep this process to one thread: two that share a core are slower than one after the other."""
    os.environ["OMP_NUM_THREADS"] = "1"  # for libraries that are yet to be loaded
    threadpool_limits(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def digest(what: Any) -> str:
    """Short name of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def make_missing(items: Mapping[Path, Callable[[], Any]], description: str, *, n_jobs: int = 1) -> None:
    """Make the items that are not there yet, in processes of one thread each.

    Parameters
    ----------
    items : mapping of path to callable
        What makes the content of each file: it can be pickled, and returns what JSON can hold. The first are begun
        first. A file holds ``found``, what was returned, and ``seconds``, what that took.
    description : str
        What the progress bar says.
    n_jobs : int, default 1
        Items at a time.

    Raises
    ------
    Exception
        What an item raised. Those that were finished are kept, and no other is begun.
    """
    missing = {path: make for path, make in items.items() if not path.is_file()}
    if not missing:
        return
    # A process forked while torch holds its threads may never end; a spawned one begins anew.
    with (
        ProcessPoolExecutor(n_jobs, mp_context=get_context("spawn"), initializer=one_thread) as pool,
        progress_bar(len(items), description, done=len(items) - len(missing), unit="item") as bar,
    ):
        waiting = [pool.submit(_make, path, make) for path, make in missing.items()]
        try:
            for done in as_completed(waiting):
                done.result()
                bar.update()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _make(path: Path, make: Callable[[], Any]) -> None:
    start = time.perf_counter()
    found = make()
    write_result(path, {"found": found, "seconds": time.perf_counter() - start})


def write_result(path: Path, result: Any) -> None:
    """Write JSON in one step."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def provenance(command: str, plan: Any) -> dict[str, Any]:
    """What every result says of itself: command, commit, date, system and plan, a dataclass."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "command": command,
        "commit": commit.stdout.strip() or "not on record",
        "date": datetime.now(UTC).date().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "plan": asdict(plan),
    }
